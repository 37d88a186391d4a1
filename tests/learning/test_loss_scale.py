import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning import loss_scale
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.models.precision import computing_in

# A gradient of 2e-8 at the logit is below float16's least number, 6e-8.
_FAINT = 2e-8
_X = tf.constant([[0.5, -0.25]])


def _faint_loss(y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: object) -> tf.Tensor:
    del y_true, sample_weight
    return tf.reduce_sum(y_pred) * _FAINT


def _model(precision: str, scale: float) -> tff.learning.models.FunctionalModel:
    def keras_model() -> tf.keras.Model:
        with computing_in(precision):
            x = tf.keras.Input((2,), name="x", dtype=tf.float32)
            hidden = tf.keras.layers.Dense(1, use_bias=False)(x)
            logits = tf.keras.layers.Activation("linear", dtype="float32")(hidden)
            return tf.keras.Model({"x": x}, logits)

    spec = (
        collections.OrderedDict(x=tf.TensorSpec([None, 2], tf.float32)),
        tf.TensorSpec([None], tf.int32),
    )
    return build_functional_model(
        keras_model,
        initial_weights=[np.array([[1.0], [2.0]], np.float32)],
        loss=_faint_loss,
        input_spec=spec,
        loss_scale=scale,
    )


def _loss_and_gradient(model: tff.learning.models.FunctionalModel) -> tuple[float, np.ndarray]:
    weights = (tuple(tf.constant(weight) for weight in model.initial_weights[0]), ())

    @tf.function
    def step() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(weights[0])
            output = model.predict_on_batch(weights, {"x": _X}, training=True)
            value = model.loss(output=output, label=tf.constant([0]))
        return value, tape.gradient(value, weights[0])[0]

    value, gradient = step()
    return float(value), gradient.numpy()


def test_float16_loses_a_faint_gradient_and_scaling_keeps_it():
    _, lost = _loss_and_gradient(_model("mixed_float16", 1.0))
    assert not lost.any()
    value, kept = _loss_and_gradient(
        _model("mixed_float16", loss_scale.loss_scale("mixed_float16"))
    )
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept[:, 0], _X[0].numpy() * _FAINT, rtol=2e-3)
    np.testing.assert_allclose(value, 0.0, atol=1e-12)  # 0.5 * 1 - 0.25 * 2, not scaled


def test_bfloat16_has_the_range_of_float32_and_needs_no_scaling():
    assert loss_scale.loss_scale("mixed_bfloat16") == loss_scale.loss_scale("float32") == 1
    _, found = _loss_and_gradient(_model("mixed_bfloat16", 1.0))
    np.testing.assert_allclose(found[:, 0], _X[0].numpy() * _FAINT, rtol=1e-2)


def test_a_power_of_two_changes_no_bit_of_a_gradient():
    plain = _loss_and_gradient(_model("float32", 1.0))
    scaled = _loss_and_gradient(_model("float32", 1024.0))
    assert plain[0] == scaled[0]
    assert plain[1].tobytes() == scaled[1].tobytes()


@pytest.mark.parametrize("factor", [1.0, 8.0, 1 / 8])
def test_a_gradient_is_multiplied_and_the_value_is_not(factor):
    x = tf.constant([3.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = loss_scale.scale_gradient(x, factor)
        total = tf.reduce_sum(y * y)
    assert y.numpy().tolist() == [3.0, -2.0]
    assert tape.gradient(total, x).numpy().tolist() == [6.0 * factor, -4.0 * factor]
