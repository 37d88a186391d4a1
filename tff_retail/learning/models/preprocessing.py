"""From raw pixels to what a network's first layer was made for; part of every model."""

import tensorflow as tf

from tff_retail.config import ModelConfig

# Means of ImageNet's blue, green and red, which Keras subtracts for ResNet50
# (keras.applications.imagenet_utils, mode "caffe").
_CAFFE_MEANS = (103.939, 116.779, 123.68)


@tf.keras.saving.register_keras_serializable(package="tff_retail")
class CaffePixels(tf.keras.layers.Layer):
    """uint8 RGB to float32 BGR minus ImageNet's means, as ResNet50's published weights want."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """uint8 [batch, height, width, 3] to float32 of the same shape."""
        return tf.cast(inputs, tf.float32)[..., ::-1] - tf.constant(_CAFFE_MEANS)


def preprocessing(model: ModelConfig) -> tf.keras.layers.Layer:
    """The layer that takes uint8 pixels in; nothing here depends on the photographs.

    Frozen statistics come from published weights alone, so it is they, not `--weights`, that
    say whether the published preprocessing applies: a model fine-tuned twice keeps its own. Pixels
    are float32 whatever the network computes in: bfloat16 has 8 bits, as many as a pixel.
    """
    if model.name == "resnet50" and model.normalization == "frozen_batch":
        return CaffePixels(name="caffe_pixels", dtype="float32")
    return tf.keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaled_pixels", dtype="float32")
