"""MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381, table 2).

Layers have the names of `keras.applications.MobileNetV2`, so its weights files fit. The
federated field's settings for it: Wang et al. 2021, https://arxiv.org/abs/2107.06917.
"""

import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.features_of import features_of
from tff_retail.learning.models.normalization import normalization
from tff_retail.learning.models.stem import has_full_resolution_stem
from tff_retail.learning.models.widths import scaled_width

# Table 2 of the paper, a line for each stage: (channels, blocks, stride of the first block).
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_STEM_CHANNELS = 32
_EXPANSION = 6
_LAST_CHANNELS = 1280


def mobilenet_v2(model: ModelConfig, pixels: tf.Tensor) -> tf.Tensor:
    """Features of preprocessed photographs.

    Args:
      model: `width_multiplier`, `normalization` and `image_size` count.
      pixels: float32 [batch, image_size, image_size, 3] in [-1, 1].

    Returns:
      float32 [batch, features], 1280 features up to a width multiplier of 1.
    """
    stride = 1 if has_full_resolution_stem(model) else 2
    channels = scaled_width(_STEM_CHANNELS, model.width_multiplier)
    x = _convolution(pixels, channels, "Conv1", kernel_size=3, strides=stride)
    x = _relu6(_normalized(model, x, "bn_Conv1"), "Conv1_relu")
    block = 0
    for stage_channels, num_blocks, first_stride in _STAGES:
        for index in range(num_blocks):
            stride = first_stride if index == 0 else 1
            x = _inverted_residual(model, x, stage_channels, stride=stride, block=block)
            block += 1
    # The paper (section 4.1) applies multipliers below 1 to all layers but the last.
    channels = scaled_width(_LAST_CHANNELS, max(1.0, model.width_multiplier))
    x = _convolution(x, channels, "Conv_1")
    x = _relu6(_normalized(model, x, "Conv_1_bn"), "out_relu")
    return features_of(x)


def _inverted_residual(
    model: ModelConfig, inputs: tf.Tensor, channels: int, *, stride: int, block: int
) -> tf.Tensor:
    """Expands, filters each channel by itself, and projects back; block 0 does not expand."""
    prefix = f"block_{block}_" if block else "expanded_conv_"
    x = inputs
    if block:
        x = _convolution(x, _EXPANSION * inputs.shape[-1], f"{prefix}expand")
        x = _relu6(_normalized(model, x, f"{prefix}expand_BN"), f"{prefix}expand_relu")
    x = _depthwise(x, stride, prefix)
    x = _relu6(_normalized(model, x, f"{prefix}depthwise_BN"), f"{prefix}depthwise_relu")
    # Keras truncates the product to a whole number first, and its weights files say so too.
    projected = scaled_width(int(channels * model.width_multiplier), 1.0)
    x = _convolution(x, projected, f"{prefix}project")
    x = _normalized(model, x, f"{prefix}project_BN")
    if stride == 1 and projected == inputs.shape[-1]:
        return tf.keras.layers.Add(name=f"{prefix}add")([inputs, x])
    return x


def _convolution(
    x: tf.Tensor, channels: int, name: str, *, kernel_size: int = 1, strides: int = 1
) -> tf.Tensor:
    return tf.keras.layers.Conv2D(
        channels, kernel_size, strides=strides, padding="same", use_bias=False, name=name
    )(x)


def _depthwise(x: tf.Tensor, stride: int, prefix: str) -> tf.Tensor:
    """A 3 x 3 depthwise convolution, padded as Keras pads it where it halves the picture."""
    if stride == 2:
        before_row, before_column = (size % 2 for size in x.shape[1:3])
        padding = ((before_row, 1), (before_column, 1))
        x = tf.keras.layers.ZeroPadding2D(padding, name=f"{prefix}pad")(x)
    return tf.keras.layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"{prefix}depthwise",
    )(x)


def _normalized(model: ModelConfig, x: tf.Tensor, name: str) -> tf.Tensor:
    return normalization(model.normalization, name)(x)


def _relu6(x: tf.Tensor, name: str) -> tf.Tensor:
    return tf.keras.layers.ReLU(6.0, name=name)(x)
