"""Residual networks of 18, 34 and 50 layers (He et al. 2016, https://arxiv.org/abs/1512.03385).

The layers of ResNet50 have the names and biases of `keras.applications.ResNet50`, so its
weights file fits. ResNet18 with GroupNormalization is the federated field's network for
CIFAR-100 (Reddi et al. 2021, https://arxiv.org/abs/2003.00295).
"""

import dataclasses

import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.features_of import features_of
from tff_retail.learning.models.normalization import normalization
from tff_retail.learning.models.stem import has_full_resolution_stem
from tff_retail.learning.models.widths import scaled_width

_STAGE_CHANNELS = (64, 128, 256, 512)
# Table 1 of the paper: blocks in each of the four stages.
_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
# As in keras.applications.resnet: the published statistics belong to it.
_EPSILON = 1.001e-5


def resnet(model: ModelConfig, pixels: tf.Tensor) -> tf.Tensor:
    """Features of preprocessed photographs.

    Args:
      model: `name`, `width_multiplier`, `normalization` and `image_size` count.
      pixels: float32 [batch, image_size, image_size, 3].

    Returns:
      float32 [batch, features]: 512 features, 2048 of ResNet50, times the width multiplier.
    """
    block = _bottleneck_block if model.name == "resnet50" else _basic_block
    layers = _Layers(model.normalization, use_bias=model.name == "resnet50")
    x = _stem(model, layers, pixels)
    stages = zip(_STAGE_CHANNELS, _BLOCKS[model.name], strict=True)
    for stage, (channels, num_blocks) in enumerate(stages, start=2):
        width = scaled_width(channels, model.width_multiplier)
        for index in range(1, num_blocks + 1):
            stride = 2 if stage > 2 and index == 1 else 1
            name = f"conv{stage}_block{index}"
            x = block(layers, x, width, stride=stride, name=name)
    return features_of(x)


@dataclasses.dataclass(frozen=True)
class _Layers:
    """A convolution followed by its normalisation, named as Keras names the pair."""

    normalization: str
    use_bias: bool

    def convolve(
        self, x: tf.Tensor, channels: int, name: str, *, kernel_size: int = 1, stride: int = 1
    ) -> tf.Tensor:
        """`{name}_conv` at half padding, then `{name}_bn`."""
        # "same" would pad an even picture at stride 2 on one side only, and so shift it.
        padding = kernel_size // 2
        if stride > 1 and padding:
            x = tf.keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
        x = tf.keras.layers.Conv2D(
            channels,
            kernel_size,
            strides=stride,
            padding="valid" if stride > 1 else "same",
            use_bias=self.use_bias,
            name=f"{name}_conv",
        )(x)
        return normalization(self.normalization, f"{name}_bn", epsilon=_EPSILON)(x)


def _stem(model: ModelConfig, layers: _Layers, pixels: tf.Tensor) -> tf.Tensor:
    """A 7 x 7 convolution, and a pooling that CIFAR-sized pictures go without."""
    is_full = has_full_resolution_stem(model)
    channels = scaled_width(_STAGE_CHANNELS[0], model.width_multiplier)
    x = layers.convolve(pixels, channels, "conv1", kernel_size=7, stride=1 if is_full else 2)
    x = _relu(x, "conv1_relu")
    if is_full:
        return x
    x = tf.keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return tf.keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _basic_block(
    layers: _Layers, inputs: tf.Tensor, channels: int, *, stride: int, name: str
) -> tf.Tensor:
    """Two 3 x 3 convolutions; the shortcut is a convolution where shapes differ."""
    shortcut = inputs
    if stride > 1 or channels != inputs.shape[-1]:
        shortcut = layers.convolve(inputs, channels, f"{name}_0", stride=stride)
    x = layers.convolve(inputs, channels, f"{name}_1", kernel_size=3, stride=stride)
    x = _relu(x, f"{name}_1_relu")
    x = layers.convolve(x, channels, f"{name}_2", kernel_size=3)
    return _joined(shortcut, x, name)


def _bottleneck_block(
    layers: _Layers, inputs: tf.Tensor, channels: int, *, stride: int, name: str
) -> tf.Tensor:
    """1 x 1, 3 x 3 and 1 x 1 convolutions; the stride is the first's, as in Keras."""
    shortcut = inputs
    if stride > 1 or 4 * channels != inputs.shape[-1]:
        shortcut = layers.convolve(inputs, 4 * channels, f"{name}_0", stride=stride)
    x = layers.convolve(inputs, channels, f"{name}_1", stride=stride)
    x = _relu(x, f"{name}_1_relu")
    x = layers.convolve(x, channels, f"{name}_2", kernel_size=3)
    x = _relu(x, f"{name}_2_relu")
    x = layers.convolve(x, 4 * channels, f"{name}_3")
    return _joined(shortcut, x, name)


def _joined(shortcut: tf.Tensor, x: tf.Tensor, name: str) -> tf.Tensor:
    return _relu(tf.keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def _relu(x: tf.Tensor, name: str) -> tf.Tensor:
    return tf.keras.layers.ReLU(name=name)(x)
