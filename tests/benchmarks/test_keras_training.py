import numpy as np
import pytest
import tensorflow as tf

from benchmarks.contenders.keras_training import KerasTraining
from benchmarks.workloads import WORKLOADS

_WORKLOAD = WORKLOADS["smoke"]


@pytest.fixture
def batches():
    generator = np.random.default_rng(0)
    return (
        generator.integers(0, 256, (2, 10, 32, 32, 3), np.uint8),
        generator.integers(0, 10, (2, 10), np.int32),
    )


def test_an_epoch_is_its_steps_and_a_step_is_plain_sgd(batches):
    by_steps, by_epoch = KerasTraining(_WORKLOAD), KerasTraining(_WORKLOAD)
    by_epoch.model.set_weights(by_steps.model.get_weights())
    expected = [tf.Variable(weight) for weight in by_steps.model.get_weights()]
    by_epoch.epoch(*batches)
    for images, labels in zip(*batches, strict=True):
        for weight, gradient in zip(expected, _gradients(by_steps, images, labels), strict=True):
            weight.assign_sub(_WORKLOAD.learning_rate * gradient)
        by_steps.step(images, labels)
    for trained in (by_steps, by_epoch):
        for weight, sgd in zip(trained.model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(weight, sgd, rtol=1e-4, atol=1e-5)


def _gradients(training, images, labels):
    with tf.GradientTape() as tape:
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            labels, training.model({"image": images}, training=True)
        )
    return tape.gradient(loss, training.model.trainable_variables)
