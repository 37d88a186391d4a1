import numpy as np
import pytest
import tensorflow as tf

from tff_retail import config
from tff_retail.learning import client_optimizer

WEIGHTS = (np.array([1.0, -2.0], np.float32), np.array([0.5], np.float32))
GRADIENTS = (np.array([0.5, 1.0], np.float32), np.array([-1.0], np.float32))


def _steps(num_steps: int, rate: float | None = None, **settings) -> list[np.ndarray]:
    """The weights after steps along the same gradient."""
    optimizer = client_optimizer.build_client_optimizer(config.LearningConfig(**settings), rate)
    weights = tuple(tf.constant(weight) for weight in WEIGHTS)
    gradients = tuple(tf.constant(gradient) for gradient in GRADIENTS)
    state = optimizer.initialize(tuple(tf.TensorSpec(w.shape, w.dtype) for w in weights))
    for _ in range(num_steps):
        state, weights = optimizer.next(state, weights, gradients)
    return [weight.numpy() for weight in weights]


def _assert_close(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_sgd():
    expected = [w - 0.01 * g for w, g in zip(WEIGHTS, GRADIENTS, strict=True)]
    _assert_close(_steps(1, client_optimizer="sgd"), expected)


def test_momentum_adds_the_previous_step():
    found = _steps(2, client_optimizer="momentum", client_learning_rate=0.1, momentum=0.5)
    # Velocities g and 1.5 g.
    _assert_close(found, [w - 0.1 * 2.5 * g for w, g in zip(WEIGHTS, GRADIENTS, strict=True)])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adams_first_step_is_the_rate_itself(name):
    found = _steps(1, client_optimizer=name)
    expected = [w - 0.001 * np.sign(g) for w, g in zip(WEIGHTS, GRADIENTS, strict=True)]
    _assert_close(found, expected)


@pytest.mark.parametrize("name", config.CLIENT_OPTIMIZERS)
def test_weight_decay_takes_off_rate_times_decay_of_the_weight(name):
    plain = _steps(1, client_optimizer=name, client_learning_rate=0.1)
    decayed = _steps(1, client_optimizer=name, client_learning_rate=0.1, weight_decay=0.2)
    _assert_close(decayed, [p - 0.1 * 0.2 * w for p, w in zip(plain, WEIGHTS, strict=True)])


@pytest.mark.parametrize("name", config.CLIENT_OPTIMIZERS)
def test_a_rate_given_for_the_round_is_taken(name):
    expected = _steps(1, client_optimizer=name, client_learning_rate=0.3, weight_decay=0.1)
    _assert_close(_steps(1, 0.3, client_optimizer=name, weight_decay=0.1), expected)
