import numpy as np
import pytest
import tensorflow as tf

from tff_retail import config
from tff_retail.learning import server_optimizer

# The mean update is initial minus trained weights, and stands in a gradient's place.
UPDATE = np.array([0.02, -0.001], np.float32)


def _rounds(num_rounds: int, **settings) -> np.ndarray:
    optimizer = server_optimizer.build_server_optimizer(config.LearningConfig(**settings))
    weights = tf.zeros(2)
    state = optimizer.initialize(tf.TensorSpec((2,), tf.float32))
    for _ in range(num_rounds):
        state, weights = optimizer.next(state, weights, tf.constant(UPDATE))
    return weights.numpy()


def test_sgd_at_its_default_rate_takes_the_mean_update_as_it_is():
    np.testing.assert_array_equal(_rounds(1, server_optimizer="sgd"), -UPDATE)


def test_momentum_adds_the_previous_update():
    found = _rounds(2, server_optimizer="momentum", momentum=0.5)
    np.testing.assert_allclose(found, -2.5 * UPDATE, rtol=1e-6)


def test_adam():
    normalized = np.sqrt(1 - 0.99) / (1 - 0.9) * 0.1 * UPDATE
    expected = -0.01 * normalized / (np.sqrt(0.01 * UPDATE**2) + 1e-3)
    np.testing.assert_allclose(_rounds(1, server_optimizer="adam"), expected, rtol=1e-4)


def test_adagrad_starts_from_the_square_of_its_adaptivity():
    expected = -0.03 * UPDATE / np.sqrt(1e-6 + UPDATE**2 + 1e-6)
    np.testing.assert_allclose(_rounds(1, server_optimizer="adagrad"), expected, rtol=1e-4)


def test_yogi_starts_from_the_square_of_its_adaptivity():
    square = UPDATE**2
    preconditioner = 1e-6 + 0.01 * square * np.sign(square - 1e-6)
    normalized = np.sqrt(1 - 0.99) / (1 - 0.9) * 0.1 * UPDATE
    expected = -0.01 * normalized / (np.sqrt(preconditioner) + 1e-3)
    np.testing.assert_allclose(_rounds(1, server_optimizer="yogi"), expected, rtol=1e-4)


@pytest.mark.parametrize("name", config.SERVER_OPTIMIZERS)
def test_every_one_follows_the_update_and_takes_a_rate(name):
    default = _rounds(1, server_optimizer=name)
    rate = config.DEFAULT_SERVER_LEARNING_RATES[name]
    doubled = _rounds(1, server_optimizer=name, server_learning_rate=2 * rate)
    np.testing.assert_array_equal(np.sign(default), -np.sign(UPDATE))
    np.testing.assert_allclose(doubled, 2 * default, rtol=1e-6)
