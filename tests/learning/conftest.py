"""A model small enough to work out by hand, and a context that leaves no process behind."""

import collections
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail import config
from tff_retail.learning import loss, metrics
from tff_retail.runtime import context

NUM_LABELS = 3


@pytest.fixture
def build_linear_model() -> Callable[..., tff.learning.models.FunctionalModel]:
    """Builds `features: float32 [batch, 2] -> logits [batch, 3]`, all weights zero."""

    def build(
        learning: config.LearningConfig | None = None,
    ) -> tff.learning.models.FunctionalModel:
        def keras_model() -> tf.keras.Model:
            features = tf.keras.Input((2,), name="features")
            logits = tf.keras.layers.Dense(NUM_LABELS, kernel_initializer="zeros")(features)
            return tf.keras.Model({"features": features}, logits)

        spec = (
            collections.OrderedDict(features=tf.TensorSpec((None, 2), tf.float32)),
            tf.TensorSpec((None,), tf.int32),
        )
        return tff.learning.models.functional_model_from_keras(
            keras_model,
            loss.build_loss(learning or config.LearningConfig(), NUM_LABELS),
            spec,
            metrics.build_metrics(NUM_LABELS),
        )

    return build


@pytest.fixture
def store_data() -> Callable[..., tf.data.Dataset]:
    """Makes a store's data set of features and labels, all in one batch by default."""

    def make(
        features: np.ndarray, labels: list[int], batch_size: int | None = None
    ) -> tf.data.Dataset:
        element = (
            collections.OrderedDict(features=np.asarray(features, np.float32)),
            np.asarray(labels, np.int32),
        )
        dataset = tf.data.Dataset.from_tensor_slices(element)
        return dataset.batch(batch_size or max(len(labels), 1))

    return make


@pytest.fixture
def in_process() -> Iterator[None]:
    """Runs TFF computations in this process while the test lasts."""
    stack = tff.framework.get_context_stack()
    with stack.install(context.RoundFormContext()):
        yield
