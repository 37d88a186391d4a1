import numpy as np
import pytest
import tensorflow as tf

from tff_retail.learning import functional_model
from tff_retail.learning.models.normalization import (
    ChannelGroupNormalization,
    FrozenBatchNormalization,
)


def _images(channels: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(3, 2, (4, 5, 7, channels)).astype(np.float32)


def _with_gradient(layer: tf.keras.layers.Layer, images: np.ndarray) -> list[np.ndarray]:
    """The layer's output, and the gradients of a weighted sum of it."""
    x = tf.constant(images)
    factors = tf.reshape(tf.range(tf.size(x), dtype=tf.float32) % 7, x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        total = tf.reduce_sum(y * factors)
    return [y.numpy(), *(g.numpy() for g in tape.gradient(total, [x, *layer.trainable_weights]))]


def test_group_normalization_equals_keras_in_value_and_gradient() -> None:
    images = _images()
    ours, theirs = ChannelGroupNormalization(), tf.keras.layers.GroupNormalization(groups=2)
    for layer in (ours, theirs):
        layer.build(tf.TensorShape((None, None, None, 6)))
        layer.set_weights([np.linspace(0.5, 2, 6), np.linspace(-1, 1, 6)])
    for our, their in zip(
        _with_gradient(ours, images), _with_gradient(theirs, images), strict=True
    ):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4)


class _Imported:
    """A layer's graph with the written gradient, imported into another."""

    def __init__(self, layer: tf.keras.layers.Layer, shape: tuple[int, ...]) -> None:
        model = tf.keras.Sequential([tf.keras.Input(shape), layer])
        self.trainable_weights = model.trainable_weights
        self._predict = tf.function(
            functional_model._import_with_weights(model, tf.TensorSpec([None, *shape]))
        )

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self._predict(self.trainable_weights, [], x)

    def operations(self, x: tf.Tensor) -> set[str]:
        graph = self._predict.get_concrete_function(self.trainable_weights, [], x).graph
        return {operation.type for operation in graph.get_operations()}


def test_a_written_gradient_is_that_of_tensorflow() -> None:
    images = _images()
    layer = ChannelGroupNormalization()
    imported = _Imported(layer, images.shape[1:])
    layer.set_weights([np.linspace(0.5, 2, 6), np.linspace(-1, 1, 6)])
    found = _with_gradient(imported, images)
    assert "IdentityN" in imported.operations(images)
    for our, their in zip(found, _with_gradient(layer, images), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4)


def test_group_normalization_of_bright_pictures_keeps_its_precision() -> None:
    images = _images() * 1e-3 + 100
    layer = ChannelGroupNormalization(epsilon=1e-12)
    groups = layer(images).numpy().reshape(4, 35, 2, 3)
    np.testing.assert_allclose(groups.std(axis=(1, 3)), 1, rtol=1e-2)


def test_group_normalization_takes_one_photograph_at_a_time() -> None:
    layer = ChannelGroupNormalization()
    images = _images()
    whole = layer(images).numpy()
    np.testing.assert_allclose(layer(images[2:3]).numpy(), whole[2:3], rtol=1e-5, atol=1e-6)


def test_group_normalization_refuses_channels_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match=r"multiple of its groups \(2\), found 5"):
        ChannelGroupNormalization()(np.zeros((1, 2, 2, 5), np.float32))


def test_frozen_batch_normalization_equals_keras_in_inference() -> None:
    images = _images()
    weights = [np.linspace(a, b, 6) for a, b in ((0.5, 2), (-1, 1), (2, 4), (1, 5))]
    ours, theirs = FrozenBatchNormalization(), tf.keras.layers.BatchNormalization()
    for layer in (ours, theirs):
        layer.build(tf.TensorShape((None, None, None, 6)))
        layer.set_weights(weights)
    np.testing.assert_allclose(
        ours(images, training=True), theirs(images, training=False), rtol=1e-5, atol=1e-5
    )


def test_frozen_batch_normalization_trains_scale_and_offset_alone() -> None:
    layer = FrozenBatchNormalization(name="norm")
    layer.build(tf.TensorShape((None, None, None, 6)))
    assert [w.name for w in layer.trainable_weights] == ["gamma:0", "beta:0"]
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean:0", "moving_variance:0"]
