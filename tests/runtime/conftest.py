"""Computations small enough to work out by hand, and a context that leaves no process behind."""

import collections
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import context, round_form

NUM_LABELS = 3


@pytest.fixture
def in_process() -> Iterator[context.RoundFormContext]:
    """Runs TFF computations in this process while the test lasts."""
    with tff.framework.get_context_stack().install(context.RoundFormContext()) as installed:
        yield installed


def _keras_model() -> tf.keras.Model:
    features = tf.keras.Input((2,), name="features")
    logits = tf.keras.layers.Dense(NUM_LABELS, kernel_initializer="zeros")(features)
    return tf.keras.Model({"features": features}, logits)


def _loss() -> tf.keras.losses.Loss:
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


_ELEMENT = (
    collections.OrderedDict(features=tf.TensorSpec((None, 2), tf.float32)),
    tf.TensorSpec((None,), tf.int32),
)


@pytest.fixture
def linear_model() -> tff.learning.models.FunctionalModel:
    """`features: float32 [batch, 2] -> logits [batch, 3]`, all weights zero."""
    metrics = collections.OrderedDict(num_examples=tff.learning.metrics.NumExamplesCounter)
    return tff.learning.models.functional_model_from_keras(_keras_model, _loss(), _ELEMENT, metrics)


@pytest.fixture
def keras_model_fn() -> Callable[[], tff.learning.models.VariableModel]:
    """Makes the same model as TFF's `VariableModel`."""

    def make() -> tff.learning.models.VariableModel:
        metrics = [tff.learning.metrics.NumExamplesCounter()]
        return tff.learning.models.from_keras_model(
            _keras_model(), loss=_loss(), input_spec=_ELEMENT, metrics=metrics
        )

    return make


@pytest.fixture
def store_datasets() -> list[tf.data.Dataset]:
    """Three stores with 4, 3 and 2 examples in batches of 2."""
    generator = np.random.default_rng(1)
    return [
        tf.data.Dataset.from_tensor_slices(
            (
                collections.OrderedDict(
                    features=generator.normal(size=(size, 2)).astype(np.float32)
                ),
                generator.integers(NUM_LABELS, size=size).astype(np.int32),
            )
        ).batch(2)
        for size in (4, 3, 2)
    ]


@pytest.fixture(scope="session")
def compile_next() -> Callable[..., round_form.RoundForm]:
    """Compiles a `next` with a state of one int32, 0 at first."""

    @tff.tensorflow.computation
    def zero() -> tf.Tensor:
        return tf.constant(0)

    @tff.federated_computation
    def initialize() -> tff.Value:
        return tff.federated_eval(zero, tff.SERVER)

    def compile_form(next_computation: tff.Computation) -> round_form.RoundForm:
        return round_form.compile_round_form(initialize, next_computation)

    return compile_form


@pytest.fixture(scope="session")
def float_sum_form(compile_next) -> round_form.RoundForm:
    """The sum of one float32 a store; the state goes through."""

    @tff.federated_computation(
        tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
    )
    def next_computation(state: tff.Value, value: tff.Value) -> tuple[tff.Value, tff.Value]:
        return state, tff.federated_sum(value)

    return compile_next(next_computation)
