import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.config import LearningConfig
from tff_retail.learning.client_optimizer import build_client_optimizer
from tff_retail.learning.finite_steps import FiniteSteps

_SPECS = (tf.TensorSpec((2,), tf.float32), tf.TensorSpec((), tf.float32))
_WEIGHTS = (tf.constant([1.0, 2.0]), tf.constant(3.0))
_FINITE = (tf.constant([0.5, -0.5]), tf.constant(1.0))


def _adam() -> tff.learning.optimizers.Optimizer:
    return tff.learning.optimizers.build_adam(0.1)


def _leaves(value) -> list[bytes]:
    # Hyperparameters are Python's numbers at first.
    return [np.asarray(leaf, np.float32).tobytes() for leaf in tf.nest.flatten(value)]


@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
def test_one_broken_number_leaves_the_whole_step_out(broken):
    optimizer = FiniteSteps(_adam())
    state, weights = optimizer.next(optimizer.initialize(_SPECS), _WEIGHTS, _FINITE)
    gradients = (tf.constant([0.5, broken]), tf.constant(1.0))
    after = optimizer.next(state, weights, gradients)
    assert _leaves(after) == _leaves((state, weights))


def test_a_finite_step_is_the_optimisers_own():
    inner, outer = _adam(), FiniteSteps(_adam())
    expected = inner.next(inner.initialize(_SPECS), _WEIGHTS, _FINITE)
    found = outer.next(outer.initialize(_SPECS), _WEIGHTS, _FINITE)
    assert _leaves(found) == _leaves(expected)
    assert _leaves(outer.get_hparams(found[0])) == _leaves(inner.get_hparams(expected[0]))


def test_a_weight_without_gradient_stays():
    optimizer = FiniteSteps(tff.learning.optimizers.build_sgdm(0.1))
    gradients = (None, tf.constant(1.0))
    _, (first, second) = optimizer.next(optimizer.initialize(_SPECS), _WEIGHTS, gradients)
    np.testing.assert_allclose(first, [1.0, 2.0])
    np.testing.assert_allclose(second, 2.9)


def test_float16_alone_needs_it():
    kinds = {
        precision: type(build_client_optimizer(LearningConfig(precision=precision)))
        for precision in ("float32", "mixed_bfloat16", "mixed_float16")
    }
    assert kinds["mixed_float16"] is FiniteSteps
    assert kinds["float32"] is kinds["mixed_bfloat16"] is not FiniteSteps
