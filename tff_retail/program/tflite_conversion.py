"""A trained Keras model as TensorFlow Lite, in three precisions.

Every file takes one image, uint8 [1, S, S, 3], and gives probabilities, float32 [1, L]: the batch
and the size are fixed because group normalisation broadcasts to shapes that TFLite must know.

int8 quantises weights and activations of every convolution and dense layer, with a uint8 image in.
Group normalisation itself and softmax stay float: their variances span orders of magnitude that
256 steps can't hold. Measured on a three-layer network with group normalisation: largest change of
a probability 0.46 with everything in integers, 0.018 so, at the same size. `frozen_batch` models
have their normalisation folded into the convolutions and run in integers throughout.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tff_retail.program.native_chatter import quiet_native_code

TFLITE_FORMATS = ("tflite_float32", "tflite_float16", "tflite_int8")

# What `learning.models.normalization.ChannelGroupNormalization` becomes in TFLite.
_GROUP_NORMALIZATION_OPS = (
    "ADD",
    "BROADCAST_TO",
    "DIV",
    "MEAN",
    "MUL",
    "RESHAPE",
    "RSQRT",
    "SQUARE",
    "SQUARED_DIFFERENCE",
    "SUB",
    "SUM",
)


def convert_to_tflite(
    model: tf.keras.Model, tflite_format: str, *, normalization: str, calibration: np.ndarray
) -> bytes:
    """Converts a model of `{"image": uint8 [b, S, S, 3]}` → logits [b, L].

    Args:
      model: with its trained weights.
      tflite_format: one of `TFLITE_FORMATS`.
      normalization: the model's, `group` or `frozen_batch`.
      calibration: images uint8 [n, S, S, 3] that show int8 the range of every activation.

    Returns:
      The content of a `.tflite` file.
    """
    image_size = model.input_shape["image"][1]

    @tf.function(input_signature=[tf.TensorSpec([1, image_size, image_size, 3], tf.uint8, "image")])
    def probabilities(image: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model({"image": image}, training=False))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [probabilities.get_concrete_function()], model
    )
    with quiet_native_code():
        if tflite_format == "tflite_int8":
            return _convert_to_int8(converter, normalization, calibration)
        if tflite_format == "tflite_float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _convert_to_int8(
    converter: tf.lite.TFLiteConverter, normalization: str, calibration: np.ndarray
) -> bytes:
    def representative_dataset() -> Iterator[list[np.ndarray]]:
        for image in calibration:
            yield [image[np.newaxis]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    kept_float = ["SOFTMAX"]
    if normalization == "group":
        kept_float += _GROUP_NORMALIZATION_OPS
    # The public way to leave single operations in float is the debugger's list of them.
    return tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=representative_dataset,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=kept_float),
    ).get_nondebug_quantized_model()
