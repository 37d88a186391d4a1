import numpy as np
import pytest
import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.keras_model import build_backbone, build_keras_model
from tff_retail.learning.models.normalization import (
    ChannelGroupNormalization,
    FrozenBatchNormalization,
)
from tff_retail.learning.models.precision import computing_in

_IMAGES = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
# Half precision has 11 or 8 bits; a network of some layers adds their roundings up.
_TOLERANCES = {"mixed_float16": 0.03, "mixed_bfloat16": 0.2}


def _weights(model: tf.keras.Model) -> list[np.ndarray]:
    generator = np.random.default_rng(2)
    fan_in = [max(1, int(np.prod(weight.shape[:-1]))) for weight in model.weights]
    return [
        generator.normal(0 if weight.shape.rank > 1 else 1, 1 / np.sqrt(n), weight.shape)
        for weight, n in zip(model.weights, fan_in, strict=True)
    ]


def test_the_policy_is_put_back_whatever_happens():
    before = tf.keras.mixed_precision.global_policy().name
    with pytest.raises(KeyError), computing_in("mixed_bfloat16"):
        assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
        raise KeyError
    assert tf.keras.mixed_precision.global_policy().name == before == "float32"


@pytest.mark.parametrize("name", ["simple_cnn", "resnet18", "mobilenet_v2"])
def test_convolutions_are_in_half_precision_and_weights_and_logits_are_not(name):
    config = ModelConfig(name=name, width_multiplier=0.05, image_size=32)
    model = build_keras_model(config, 4, "mixed_bfloat16")
    plain = build_keras_model(config, 4)
    convolutions = [layer for layer in model.layers if "Conv2D" in type(layer).__name__]
    assert convolutions
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    assert {weight.dtype.name for weight in model.weights} == {"float32"}
    assert [w.name for w in model.weights] == [w.name for w in plain.weights]
    model.set_weights(_weights(model))
    plain.set_weights(_weights(plain))
    found, expected = model({"image": _IMAGES}), plain({"image": _IMAGES})
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=_TOLERANCES["mixed_bfloat16"])
    assert np.any(found != expected)  # or else nothing was rounded


@pytest.mark.parametrize("precision", _TOLERANCES)
def test_features_are_float32_and_near(precision):
    config = ModelConfig(
        name="simple_cnn",
        width_multiplier=0.05,
        image_size=32,
        normalization="frozen_batch",
        weights="unread.h5",
    )
    model, plain = build_backbone(config, precision), build_backbone(config)
    model.set_weights([np.abs(weight) for weight in _weights(plain)])
    plain.set_weights(model.get_weights())
    found, expected = model({"image": _IMAGES}), plain({"image": _IMAGES})
    assert found.dtype == tf.float32
    scale = float(tf.reduce_max(tf.abs(expected)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=_TOLERANCES[precision])


@pytest.mark.parametrize("make", [ChannelGroupNormalization, FrozenBatchNormalization])
def test_normalisation_in_float16_does_not_overflow(make):
    images = np.random.default_rng(0).normal(0, 3000, (2, 5, 5, 4)).astype(np.float32)
    half, plain = make(dtype=tf.keras.mixed_precision.Policy("mixed_float16")), make()
    for layer in (half, plain):
        layer.build(tf.TensorShape((None, None, None, 4)))
        layer.set_weights(
            [np.full(w.shape, 9e6 if "variance" in w.name else 1.0) for w in layer.weights]
        )
    found = half(tf.constant(images))
    assert found.dtype == tf.float16
    # Squares of these are above 65,504, float16's largest.
    np.testing.assert_allclose(found, plain(tf.constant(images)), atol=5e-3)
