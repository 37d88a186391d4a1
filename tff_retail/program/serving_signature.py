"""The released model as a graph: uint8 photographs of any size go in, a label and a score come out.

Nothing of this package is needed to run it: resizing, preprocessing, softmax and the label names
are all inside.
"""

import pathlib
from collections.abc import Sequence

import tensorflow as tf


def build_serving_module(
    model: tf.keras.Model, *, labels: Sequence[str], image_size: int, labels_file: pathlib.Path
) -> tf.Module:
    """Wraps a network for `tf.saved_model.save`.

    Args:
      model: `{"image": uint8 [b, S, S, 3]}` → logits float32 [b, L].
      labels: L names by label index.
      image_size: S, height and width in pixels that the network takes.
      labels_file: labels one a line; becomes an asset of the SavedModel.

    Returns:
      A module with two functions, to be saved as signatures: `serve`, images uint8
      [b, h, w, 3] → label string [b], score float32 [b], probabilities float32 [b, L]; and
      `serve_single`, image uint8 [h, w, 3] → the same without b. They resize only what is not
      S×S already, with antialiased bilinear interpolation, as `datasets.image_decoding` does.
    """
    names = tf.constant(list(labels), tf.string)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model({"image": resize_to_square(images, image_size)}, training=False)
        probabilities = tf.nn.softmax(logits)
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "score": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "image")])
    def serve_single(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value[0] for name, value in serve(image[tf.newaxis]).items()}

    module = tf.Module()
    # The variables alone, not the Keras model: its layers' classes would have to be importable.
    module.network_weights = list(model.weights)
    module.labels_file = tf.saved_model.Asset(str(labels_file))
    module.serve = serve
    module.serve_single = serve_single
    return module


def resize_to_square(images: tf.Tensor, image_size: int) -> tf.Tensor:
    """Squashes images uint8 [b, h, w, 3] to uint8 [b, S, S, 3]; S×S comes back as it is."""

    def resize() -> tf.Tensor:
        size = (image_size, image_size)
        resized = tf.image.resize(images, size, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)

    is_square = tf.reduce_all(tf.shape(images)[1:3] == image_size)
    square = tf.cond(is_square, lambda: images, resize)
    return tf.ensure_shape(square, [None, image_size, image_size, 3])
