import numpy as np
import pytest
import tensorflow as tf

from tff_retail import config
from tff_retail.learning import loss

LOGITS = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]).astype(np.float32)
LABELS = np.array([0, 2], np.int32)


def test_without_smoothing_it_is_the_mean_log_likelihood():
    cross_entropy = loss.build_loss(config.LearningConfig(), 3)
    expected = -(np.log(0.7) + np.log(0.5)) / 2
    assert float(cross_entropy(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_smoothing_spreads_its_share_evenly_over_all_labels():
    cross_entropy = loss.build_loss(config.LearningConfig(label_smoothing=0.3), 3)
    first = -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1))
    second = -(0.1 * np.log(0.25) + 0.1 * np.log(0.25) + 0.8 * np.log(0.5))
    expected = (first + second) / 2
    assert float(cross_entropy(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_its_gradient_is_softmax_minus_smoothed_labels():
    cross_entropy = loss.build_loss(config.LearningConfig(label_smoothing=0.3), 3)
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = cross_entropy(LABELS, logits)
    smoothed = [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]
    expected = (np.exp(LOGITS) - smoothed) / 2
    np.testing.assert_allclose(tape.gradient(value, logits), expected, atol=1e-7)
