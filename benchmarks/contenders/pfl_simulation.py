"""pfl-research's simulation (Apple's pfl 0.6) with its TensorFlow model, in one process.

As in its own benchmarks (`benchmarks/image_classification/tf/train.py` of apple/pfl-research):
`FederatedAveraging` over a `SimulatedBackend`, weighted by data points, without evaluation
between rounds and without privacy. Tuned: every store's tensors and their batches are kept from
round to round (`TFTensorDataset`) rather than cut anew for each user, and the stores' SGD is the
one that is one operation in place. The cohorts are those of all contenders.

pfl asks for TensorFlow 2.16 in its extra `[tf]`; its code runs on 2.14.1 as well, which this
environment has, so that all contenders share one TensorFlow. Threads are TensorFlow's choice.
"""

import importlib.metadata
from collections.abc import Iterator

from benchmarks.contender import Orders, contender_arguments
from benchmarks.contenders.thread_settings import set_threads
from benchmarks.workloads import WORKLOADS, Workload, build_model, cohort


def _store_numbers(workload: Workload) -> Iterator[int]:
    """The stores of one cohort after the other."""
    round_num = 0
    while True:
        round_num += 1
        yield from map(int, cohort(workload, round_num))


def _simulate(workload: Workload, path: str, orders: Orders) -> None:
    import numpy as np
    import tensorflow as tf
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.aggregate.weighting import WeightByDatapoints
    from pfl.algorithm import FederatedAveraging, NNAlgorithmParams
    from pfl.callback.base import TrainingProcessCallback
    from pfl.data import FederatedDataset
    from pfl.data.tensorflow import TFTensorDataset
    from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
    from pfl.metrics import Metrics
    from pfl.model.tensorflow import TFModel

    class Gate(TrainingProcessCallback):
        """Lets a round begin when it is ordered."""

        def on_train_begin(self, *, model: TFModel) -> Metrics:
            names = ("pfl", "tensorflow", "keras")
            orders.ready({name: importlib.metadata.version(name) for name in names})
            orders.wait()
            return Metrics()

        def after_central_iteration(
            self, aggregate_metrics: Metrics, model: TFModel, *, central_iteration: int
        ) -> tuple[bool, Metrics]:
            orders.done(workload.examples_per_round)
            return not orders.wait(), Metrics()

    with np.load(path) as arrays:
        stores = [
            TFTensorDataset(tf.constant(images), tf.constant(labels))
            for images, labels in zip(arrays["images"], arrays["labels"], strict=True)
        ]
    numbers = _store_numbers(workload)
    dataset = FederatedDataset(stores.__getitem__, lambda: next(numbers))
    keras_model = build_model(workload)
    keras_model.compile(
        tf.keras.optimizers.legacy.SGD(workload.learning_rate),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=10**6,
            evaluation_frequency=10**6,
            train_cohort_size=workload.cohort_size,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(dataset, dataset, postprocessors=[WeightByDatapoints()]),
        model=TFModel(keras_model, metrics={}, central_optimizer=tf.keras.optimizers.SGD(1.0)),
        model_train_params=NNTrainHyperParams(
            local_learning_rate=workload.learning_rate,
            local_num_epochs=1,
            local_batch_size=workload.batch_size,
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=workload.batch_size),
        callbacks=[Gate()],
        send_metrics_to_platform=False,
    )


def main() -> None:
    """Serves rounds."""
    arguments, orders = contender_arguments(__doc__ or ""), Orders()
    set_threads(intra=arguments.threads, inter=arguments.threads)
    _simulate(WORKLOADS[arguments.workload], arguments.examples, orders)


if __name__ == "__main__":
    main()
