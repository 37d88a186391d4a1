"""The two normalisations a federated model may have, neither of which keeps running statistics.

TFF aggregates no moving statistics, so BatchNormalization that learns them would evaluate
wrongly. Either every photograph is normalised by itself (Wu & He 2018, Group Normalization,
https://arxiv.org/abs/1803.08494), or statistics learned elsewhere stay as they are.

Both compute in float32 whatever the precision of what goes in and out (Micikevicius et al. 2018,
section 3.3, https://arxiv.org/abs/1710.03740): squares overflow float16, and sums lose bits.
"""

from typing import Any

import tensorflow as tf

# Wang et al. 2021, A Field Guide to Federated Optimization, section 4.1: MobileNetV2 with
# GroupNorm and 2 groups. https://arxiv.org/abs/2107.06917
NUM_GROUPS = 2


@tf.keras.saving.register_keras_serializable(package="tff_retail")
class ChannelGroupNormalization(tf.keras.layers.Layer):
    """`tf.keras.layers.GroupNormalization` of channels-last images, in two thirds of the time.

    Keras's own layer weighs every value by a mask of ones; this one reduces each channel over
    the picture first, and joins channels to groups when only `[batch, channels]` is left.

    Attributes:
      gamma, beta: float32 [channels], trainable.
    """

    def __init__(self, groups: int = NUM_GROUPS, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the variables for [batch, height, width, channels]."""
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"channels of {self.name} must be a multiple of its groups ({self.groups}), "
                f"found {channels}"
            )
        self.gamma = _float32_weight(self, "gamma", (channels,), initializer="ones")
        self.beta = _float32_weight(self, "beta", (channels,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises [batch, height, width, channels]; same shape and precision out."""
        values = tf.cast(inputs, tf.float32)
        centred = values - self._of_channels(self._of_groups(values))
        variance = self._of_groups(tf.square(centred))
        scale = self._of_channels(tf.math.rsqrt(variance + self.epsilon)) * self.gamma
        return tf.cast(centred * scale + self.beta, self.compute_dtype)

    def _of_groups(self, values: tf.Tensor) -> tf.Tensor:
        """Mean of each photograph's groups: float32 [batch, groups, 1]."""
        size = values.shape[-1] // self.groups
        means = tf.reshape(tf.reduce_mean(values, axis=[1, 2]), [-1, self.groups, size])
        return tf.reduce_mean(means, axis=-1, keepdims=True)

    def _of_channels(self, of_groups: tf.Tensor) -> tf.Tensor:
        """Repeats a group's value for its channels: float32 [batch, 1, 1, channels]."""
        channels = self.gamma.shape[0]
        repeated = of_groups * tf.ones([1, self.groups, channels // self.groups])
        return tf.reshape(repeated, [-1, 1, 1, channels])

    def get_config(self) -> dict[str, Any]:
        """What Keras saves, and makes the layer from again."""
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}


@tf.keras.saving.register_keras_serializable(package="tff_retail")
class FrozenBatchNormalization(tf.keras.layers.Layer):
    """BatchNormalization in inference mode for ever: its statistics are read, never updated.

    Variables have the names and the order of `tf.keras.layers.BatchNormalization`, whose
    weights files therefore fit.

    Attributes:
      gamma, beta: float32 [channels], trainable.
      moving_mean, moving_variance: float32 [channels], never trained.
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the variables for [batch, height, width, channels]."""
        shape = (input_shape[-1],)
        self.gamma = _float32_weight(self, "gamma", shape, initializer="ones")
        self.beta = _float32_weight(self, "beta", shape, initializer="zeros")
        self.moving_mean = _float32_weight(
            self, "moving_mean", shape, initializer="zeros", trainable=False
        )
        self.moving_variance = _float32_weight(
            self, "moving_variance", shape, initializer="ones", trainable=False
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises [batch, height, width, channels]; same shape and precision out."""
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
        shift = self.beta - self.moving_mean * scale
        return tf.cast(tf.cast(inputs, tf.float32) * scale + shift, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What Keras saves, and makes the layer from again."""
        return {**super().get_config(), "epsilon": self.epsilon}


def normalization(kind: str, name: str, *, epsilon: float = 1e-3) -> tf.keras.layers.Layer:
    """The layer of `--normalization=kind` (`group` or `frozen_batch`)."""
    layers = {"group": ChannelGroupNormalization, "frozen_batch": FrozenBatchNormalization}
    return layers[kind](epsilon=epsilon, name=name)


def _float32_weight(
    layer: tf.keras.layers.Layer, name: str, shape: tuple[int, ...], **arguments: Any
) -> tf.Variable:
    """A variable that `layer` reads as it is, not cast to the precision it computes in."""
    return layer.add_weight(name, shape, experimental_autocast=False, **arguments)
