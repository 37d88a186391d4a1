"""Runs learning processes for two rounds and keeps what they made.

  python learning_processes.py stock|ours RESULT.npz

`stock` runs them in TFF's own runtime, `ours` in our context. The result holds the leaves of each
process's weights, metrics and evaluation, and how many other processes were running at the end.
"""

import collections
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import psutil
import tensorflow as tf
import tensorflow_federated as tff

_ELEMENT = (
    collections.OrderedDict(image=tf.TensorSpec((None, 4, 4, 1), tf.float32)),
    tf.TensorSpec((None,), tf.int32),
)
_NUM_LABELS = 3
_sgdm = tff.learning.optimizers.build_sgdm
_adam = tff.learning.optimizers.build_adam


def _layers() -> list[tf.keras.layers.Layer]:
    initializer = tf.keras.initializers.GlorotUniform
    return [
        tf.keras.layers.Conv2D(2, 3, activation="relu", kernel_initializer=initializer(seed=1)),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(_NUM_LABELS, kernel_initializer=initializer(seed=2)),
    ]


def _keras_model(layers: list[tf.keras.layers.Layer]) -> tf.keras.Model:
    image = tf.keras.Input((4, 4, 1), name="image")
    output = image
    for layer in layers:
        output = layer(output)
    return tf.keras.Model({"image": image}, output)


def _loss() -> tf.keras.losses.Loss:
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _accuracy() -> tf.keras.metrics.Metric:
    return tf.keras.metrics.SparseCategoricalAccuracy("accuracy")


def _functional_model() -> tff.learning.models.FunctionalModel:
    return tff.learning.models.functional_model_from_keras(
        lambda: _keras_model(_layers()),
        _loss(),
        _ELEMENT,
        collections.OrderedDict(accuracy=_accuracy),
    )


def _variable_model() -> tff.learning.models.VariableModel:
    return tff.learning.models.from_keras_model(
        _keras_model(_layers()), loss=_loss(), input_spec=_ELEMENT, metrics=[_accuracy()]
    )


def _reconstruction_model() -> tff.learning.models.ReconstructionModel:
    layers = _layers()
    return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
        _keras_model(layers),
        global_layers=layers[:1],
        local_layers=layers[1:],
        input_spec=_ELEMENT,
    )


def _processes() -> Iterator[tuple[str, tff.learning.templates.LearningProcess]]:
    algorithms = tff.learning.algorithms
    yield (
        "fed_avg",
        algorithms.build_weighted_fed_avg(
            _functional_model(),
            client_optimizer_fn=_adam(0.01),
            server_optimizer_fn=_sgdm(1.0, 0.9),
        ),
    )
    yield (
        "scheduled",
        algorithms.build_weighted_fed_avg_with_optimizer_schedule(
            _variable_model,
            client_learning_rate_fn=lambda round_num: 0.1 / (1 + tf.cast(round_num, tf.float32)),
            client_optimizer_fn=lambda rate: _sgdm(rate),
        ),
    )
    yield (
        "mime_lite",
        algorithms.build_weighted_mime_lite(_functional_model(), base_optimizer=_sgdm(0.1, 0.9)),
    )
    yield (
        "fed_recon",
        algorithms.build_fed_recon(
            _reconstruction_model, loss_fn=_loss, metrics_fn=lambda: [_accuracy()]
        ),
    )


def _stores() -> list[tf.data.Dataset]:
    generator = np.random.default_rng(1)
    return [
        tf.data.Dataset.from_tensor_slices(
            (
                collections.OrderedDict(
                    image=generator.normal(size=(size, 4, 4, 1)).astype(np.float32)
                ),
                generator.integers(_NUM_LABELS, size=size).astype(np.int32),
            )
        ).batch(2)
        for size in (5, 4, 3)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, tff.learning.models.ModelWeights):
        value = {"trainable": value.trainable, "non_trainable": value.non_trainable}
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        yield from _leaves(dict(enumerate(value)), path)
    else:
        yield path, np.asarray(value)


def _run() -> dict[str, np.ndarray]:
    stores = _stores()
    found: dict[str, np.ndarray] = {}
    for name, process in _processes():
        state = process.initialize()
        for _ in range(2):
            state, metrics = process.next(state, stores)
        weights = process.get_model_weights(state)
        found.update(_leaves({"weights": weights, "metrics": metrics}, name))
        if name == "fed_avg":
            evaluation = tff.learning.algorithms.build_fed_eval(_functional_model())
            state = evaluation.set_model_weights(evaluation.initialize(), weights)
            found.update(_leaves(evaluation.next(state, stores).metrics, "fed_eval"))
    return found


def main(runtime: str, path: str) -> None:
    """Runs every process in `runtime` and writes what it made."""
    if runtime == "ours":
        from tff_retail.runtime.context import install_context

        install_context(parallel_stores=2)
    found = _run()
    children = psutil.Process().children(recursive=True)
    np.savez(path, **found, num_processes=np.int64(len(children)))


if __name__ == "__main__":
    main(*sys.argv[1:])
