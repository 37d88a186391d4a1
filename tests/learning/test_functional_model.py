import collections
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.config import ModelConfig
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.initial_weights import initial_weights
from tff_retail.learning.models.keras_model import build_keras_model

_NUM_LABELS = 3
_SPEC = (
    collections.OrderedDict(image=tf.TensorSpec([None, 32, 32, 3], tf.uint8)),
    tf.TensorSpec([None], tf.int32),
)
_LOSS = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_METRICS = collections.OrderedDict(top_1=tf.keras.metrics.SparseCategoricalAccuracy)


def _tiny(name: str = "simple_cnn") -> ModelConfig:
    return ModelConfig(name=name, width_multiplier=0.1, image_size=32)


def _frozen(name: str) -> ModelConfig:
    """Statistics that are frozen; no file is read."""
    return ModelConfig(
        name=name,
        width_multiplier=0.1,
        image_size=32,
        normalization="frozen_batch",
        weights="unread.h5",
    )


def _functional(
    model: ModelConfig, weights: list[np.ndarray]
) -> tff.learning.models.FunctionalModel:
    return build_functional_model(
        lambda: build_keras_model(model, _NUM_LABELS),
        initial_weights=weights,
        loss=_LOSS,
        input_spec=_SPEC,
        metrics=_METRICS,
    )


def _batch(size: int = 4) -> tuple[collections.OrderedDict, np.ndarray]:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (size, 32, 32, 3), np.uint8)
    return collections.OrderedDict(image=image), np.arange(size, dtype=np.int32) % _NUM_LABELS


@pytest.mark.parametrize("model", [_tiny(), _tiny("resnet18"), _frozen("mobilenet_v2")], ids=str)
def test_predictions_and_gradients_are_those_of_the_keras_model(model: ModelConfig) -> None:
    keras_model = build_keras_model(model, _NUM_LABELS)
    functional = _functional(model, keras_model.get_weights())
    x, y = _batch()
    with tf.GradientTape() as tape:
        keras_logits = keras_model(x)
        loss = _LOSS(y, keras_logits)
    expected = tape.gradient(loss, keras_model.trainable_variables)
    trainable, non_trainable = tf.nest.map_structure(tf.constant, functional.initial_weights)
    with tf.GradientTape() as tape:
        tape.watch(trainable)
        logits = functional.predict_on_batch((trainable, non_trainable), x, training=True)
        loss = functional.loss(logits, y)
    found = tape.gradient(loss, trainable)
    np.testing.assert_allclose(logits, keras_logits, rtol=1e-5, atol=1e-6)
    for our, their in zip(found, expected, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-5)


def test_initial_weights_are_the_ones_given() -> None:
    model = _frozen("simple_cnn")
    keras_model = build_keras_model(model, _NUM_LABELS)
    weights = [np.full(w.shape, i, np.float32) for i, w in enumerate(keras_model.weights)]
    trainable, non_trainable = _functional(model, weights).initial_weights
    is_trainable = [variable.trainable for variable in keras_model.weights]
    assert [int(w.flat[0]) for w in trainable] == [i for i, t in enumerate(is_trainable) if t]
    assert [int(w.flat[0]) for w in non_trainable] == [
        i for i, t in enumerate(is_trainable) if not t
    ]


def test_models_of_features_serve_too() -> None:
    head = tf.keras.Sequential([tf.keras.layers.Dense(2, name="logits")])
    features = tf.keras.Input((5,), name="features")
    keras_model = tf.keras.Model({"features": features}, head(features))
    functional = build_functional_model(
        lambda: keras_model,
        initial_weights=[np.ones((5, 2), np.float32), np.array([1, 2], np.float32)],
        loss=_LOSS,
        input_spec=(
            collections.OrderedDict(features=tf.TensorSpec([None, 5], tf.float32)),
            tf.TensorSpec([None], tf.int32),
        ),
    )
    x = collections.OrderedDict(features=np.ones((1, 5), np.float32))
    logits = functional.predict_on_batch(functional.initial_weights, x, training=False)
    np.testing.assert_array_equal(logits, [[6, 7]])


def _work_digest(seed: int) -> str:
    """Of FedAvg's `work` for the seed's weights: what a store would run."""
    process = tff.learning.algorithms.build_weighted_fed_avg(
        _functional(_tiny(), initial_weights(_tiny(), _NUM_LABELS, seed)),
        client_optimizer_fn=tff.learning.optimizers.build_adam(0.001),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
    )
    form = tff.backends.mapreduce.get_map_reduce_form_for_computation(process.next)
    computation = tff.framework.serialize_computation(form.work)
    graph_def = tf.compat.v1.GraphDef()
    computation.tensorflow.graph_def.Unpack(graph_def)
    for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
        for node in nodes:
            node.ClearField("experimental_debug_info")
    computation.tensorflow.graph_def.Pack(graph_def, deterministic=True)
    return hashlib.sha256(computation.SerializeToString(deterministic=True)).hexdigest()


def test_work_is_the_same_whatever_the_seed_and_the_process() -> None:
    # Two fresh processes at once; this file run as a script prints one digest.
    commands = [[sys.executable, "-B", __file__, str(seed)] for seed in (1, 2)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for command in commands
    ]
    digests = [run.communicate(timeout=500)[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert digests[0][-1] == digests[1][-1]
    assert len(digests[0][-1]) == 64


if __name__ == "__main__":
    print(_work_digest(int(sys.argv[1])))
