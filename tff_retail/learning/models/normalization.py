"""The two normalisations a federated model may have, neither of which keeps running statistics.

TFF aggregates no moving statistics, so BatchNormalization that learns them would evaluate
wrongly. Either every photograph is normalised by itself (Wu & He 2018, Group Normalization,
https://arxiv.org/abs/1803.08494), or statistics learned elsewhere stay as they are.

Both compute in float32 whatever the precision of what goes in and out (Micikevicius et al. 2018,
section 3.3, https://arxiv.org/abs/1710.03740): squares overflow float16, and sums lose bits.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

# Wang et al. 2021, A Field Guide to Federated Optimization, section 4.1: MobileNetV2 with
# GroupNorm and 2 groups. https://arxiv.org/abs/2107.06917
NUM_GROUPS = 2
_GRADIENT = "tff_retail>ChannelGroupNormalization"
_HAS_WRITTEN_GRADIENT = contextvars.ContextVar("has_written_gradient", default=False)


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
        gamma = tf.convert_to_tensor(self.gamma)
        beta = tf.convert_to_tensor(self.beta)
        ones = tf.ones([1, self.groups, self.gamma.shape[0] // self.groups])
        mean = _of_channels(_of_groups(_of_pictures(values), ones), ones)
        centred = values - _of_pixels(mean)
        variance = _of_groups(_of_pictures(tf.square(centred)), ones)
        inverse = _of_channels(tf.math.rsqrt(variance + self.epsilon), ones)
        scale = _of_pixels(inverse * gamma)
        normalized = centred * scale + beta
        if _HAS_WRITTEN_GRADIENT.get() and values.shape[1:].is_fully_defined():
            with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": _GRADIENT}):
                normalized, *_ = tf.identity_n(
                    [normalized, values, gamma, beta, centred, inverse, ones]
                )
        return tf.cast(normalized, self.compute_dtype)

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


@contextlib.contextmanager
def written_gradients() -> Iterator[None]:
    """Normalisations traced within have their gradient written out, instead of TensorFlow's.

    It goes over the pictures half as often. A graph traced so can be imported into another, but not
    saved for others to train on: the gradient is known by name to this program only.
    """
    token = _HAS_WRITTEN_GRADIENT.set(True)
    try:
        yield
    finally:
        _HAS_WRITTEN_GRADIENT.reset(token)


@tf.RegisterGradient(_GRADIENT)
def _gradient(operation: tf.Operation, upstream: tf.Tensor, *unused: Any) -> list[tf.Tensor | None]:
    """Ioffe & Szegedy 2015, section 3 (https://arxiv.org/abs/1502.03167), with the mean over a
    picture's group in place of a batch's."""
    del unused
    gamma, _, centred, inverse, ones = operation.inputs[2:]
    pixels = centred.shape[1] * centred.shape[2]
    mean = _of_pictures(upstream)
    moment = _of_pictures(upstream * centred) * inverse
    slope = _of_channels(_of_groups(moment * gamma, ones), ones) * tf.square(inverse)
    level = _of_channels(_of_groups(mean * gamma, ones), ones) * inverse
    of_values = upstream * _of_pixels(inverse * gamma)
    of_values -= centred * _of_pixels(slope) + _of_pixels(level)
    of_gamma = pixels * tf.reduce_sum(moment, axis=0)
    of_beta = pixels * tf.reduce_sum(mean, axis=0)
    return [None, of_values, of_gamma, of_beta, None, None, None]


def _of_pictures(values: tf.Tensor) -> tf.Tensor:
    """Mean over each picture: float32 [batch, height, width, channels] to [batch, channels]."""
    return tf.reduce_mean(values, axis=[1, 2])


def _of_groups(of_channels: tf.Tensor, ones: tf.Tensor) -> tf.Tensor:
    """Mean of each group's channels: float32 [batch, channels] to [batch, groups, 1]."""
    joined = tf.reshape(of_channels, [-1, *ones.shape[1:]])
    return tf.reduce_mean(joined, axis=-1, keepdims=True)


def _of_channels(of_groups: tf.Tensor, ones: tf.Tensor) -> tf.Tensor:
    """Repeats a group's value for its channels: float32 [batch, channels].

    `ones` is [1, groups, channels of a group].
    """
    return tf.reshape(of_groups * ones, [-1, ones.shape[1] * ones.shape[2]])


def _of_pixels(of_channels: tf.Tensor) -> tf.Tensor:
    """For every pixel of a picture: float32 [batch, channels] to [batch, 1, 1, channels]."""
    return of_channels[:, tf.newaxis, tf.newaxis, :]


def normalization(kind: str, name: str, *, epsilon: float = 1e-3) -> tf.keras.layers.Layer:
    """The layer of `--normalization=kind` (`group` or `frozen_batch`)."""
    layers = {"group": ChannelGroupNormalization, "frozen_batch": FrozenBatchNormalization}
    return layers[kind](epsilon=epsilon, name=name)


def _float32_weight(
    layer: tf.keras.layers.Layer, name: str, shape: tuple[int, ...], **arguments: Any
) -> tf.Variable:
    """A variable that `layer` reads as it is, not cast to the precision it computes in."""
    return layer.add_weight(name, shape, experimental_autocast=False, **arguments)
