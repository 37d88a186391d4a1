import numpy as np
import pytest
import tensorflow as tf

from tff_retail import config
from tff_retail.learning import learning_rate


def _rates(rounds: int, asked: int | None = None, **settings) -> list[float]:
    learning = config.LearningConfig(client_learning_rate=0.8, **settings)
    rate = tf.function(learning_rate.build_learning_rate(learning, rounds))
    values = [rate(tf.constant(number, tf.int32)) for number in range(asked or rounds)]
    assert all(value.dtype == tf.float32 and value.shape == () for value in values)
    return [float(value) for value in values]


def test_constant_stays():
    assert _rates(3) == [pytest.approx(0.8)] * 3


def test_step_is_a_tenth_at_half_and_again_at_three_quarters():
    expected = [0.8] * 5 + [0.08] * 3 + [0.008] * 2
    np.testing.assert_allclose(_rates(10, learning_rate_schedule="step"), expected, rtol=1e-6)


def test_cosine_falls_from_the_full_rate_and_the_last_round_still_learns():
    rates = _rates(4, learning_rate_schedule="cosine")
    expected = [0.8 * (1 + np.cos(np.pi * n / 4)) / 2 for n in range(4)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert rates[0] == pytest.approx(0.8) and rates[-1] > 0


def test_rounds_beyond_the_last_keep_its_rate():
    rates = _rates(4, asked=6, learning_rate_schedule="cosine")
    assert rates[4:] == [rates[3]] * 2


def test_warm_up_rises_linearly_to_the_full_rate_and_then_the_schedule_starts():
    np.testing.assert_allclose(_rates(5, warmup_rounds=3), [0.2, 0.4, 0.6, 0.8, 0.8], rtol=1e-6)
    rates = _rates(5, warmup_rounds=3, learning_rate_schedule="cosine")
    np.testing.assert_allclose(rates, [0.2, 0.4, 0.6, 0.8, 0.4], rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"learning_rate_schedule": "cosine"}, True),
        ({"learning_rate_schedule": "step"}, True),
        ({"warmup_rounds": 1}, True),
    ],
)
def test_has_schedule(settings, expected):
    assert learning_rate.has_schedule(config.LearningConfig(**settings)) is expected
