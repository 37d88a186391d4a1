"""TFF 0.87 as it comes: `process.next` in its own runtime, which trains in a child process.

`--variant=default` is `build_weighted_fed_avg` in the context that TFF installs on import.
`--variant=tuned` takes the iterator loop over a store's batches, and two stores at a time
(`max_concurrent_computation_calls`). The threads of the child process cannot be set.
"""

import importlib.metadata
import signal
import sys

import psutil

from benchmarks.contender import Orders, contender_arguments
from benchmarks.workloads import WORKLOADS, Workload, build_model, cohort


class LearningProcess:
    """A learning process, its state and the stores' data sets."""

    def __init__(self, workload: Workload, path: str, variant: str) -> None:
        import numpy as np
        import tensorflow as tf
        import tensorflow_federated as tff

        with np.load(path) as arrays:
            self._stores = [
                tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(
                    workload.batch_size
                )
                for images, labels in zip(arrays["images"], arrays["labels"], strict=True)
            ]

        def model_fn() -> tff.learning.models.VariableModel:
            return tff.learning.models.from_keras_model(
                build_model(workload),
                loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                input_spec=self._stores[0].element_spec,
            )

        loops = tff.learning.LoopImplementation
        self._process = tff.learning.algorithms.build_weighted_fed_avg(
            model_fn,
            client_optimizer_fn=tff.learning.optimizers.build_sgdm(workload.learning_rate),
            loop_implementation={
                "default": loops.DATASET_REDUCE,
                "tuned": loops.DATASET_ITERATOR,
            }[variant],
        )
        self._state = self._process.initialize()
        self._workload, self._round_num = workload, 0

    def train_round(self) -> int:
        """One `process.next`; the number of pictures."""
        self._round_num += 1
        chosen = [self._stores[number] for number in cohort(self._workload, self._round_num)]
        output = self._process.next(self._state, chosen)
        self._state = output.state
        return int(output.metrics["client_work"]["train"]["num_examples"])


def _end_worker() -> None:
    """TFF's worker outlives its parent unless it is told."""
    for child in psutil.Process().children(recursive=True):
        child.kill()


def main() -> None:
    """Serves rounds."""
    arguments = contender_arguments(__doc__ or "", variants=("default", "tuned"))
    orders = Orders()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if arguments.variant == "tuned":
        import tensorflow_federated as tff

        tff.backends.native.set_sync_local_cpp_execution_context(max_concurrent_computation_calls=2)
    try:
        process = LearningProcess(
            WORKLOADS[arguments.workload], arguments.examples, arguments.variant
        )
        names = ("tensorflow-federated", "tensorflow", "keras")
        versions = {name: importlib.metadata.version(name) for name in names}
        orders.serve(process.train_round, versions)
    finally:
        _end_worker()


if __name__ == "__main__":
    main()
