"""A small convolutional network for small photographs and slow machines: 0.25 M parameters."""

import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.features_of import features_of
from tff_retail.learning.models.normalization import normalization
from tff_retail.learning.models.widths import scaled_width

_STAGE_CHANNELS = (32, 64, 128, 128)
# From 64 pixels up the first convolution halves the picture: a quarter of the work, and the
# last stage still sees at least 4 x 4 places.
_HALVED_FROM_PX = 64


def simple_cnn(model: ModelConfig, pixels: tf.Tensor) -> tf.Tensor:
    """Features of preprocessed photographs.

    Args:
      model: `width_multiplier`, `normalization` and `image_size` count.
      pixels: float32 [batch, image_size, image_size, 3].

    Returns:
      float32 [batch, features].
    """
    layers = tf.keras.layers
    x = pixels
    for index, channels in enumerate(_STAGE_CHANNELS, start=1):
        halved = index == 1 and model.image_size >= _HALVED_FROM_PX
        x = layers.Conv2D(
            scaled_width(channels, model.width_multiplier),
            kernel_size=3,
            strides=2 if halved else 1,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"conv{index}",
        )(x)
        x = normalization(model.normalization, f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
        if index < len(_STAGE_CHANNELS):
            x = layers.MaxPooling2D(name=f"pool{index}")(x)
    return features_of(x)
