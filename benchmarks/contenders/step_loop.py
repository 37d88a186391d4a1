"""Centralised training step by step: a Python loop that calls a `tf.function` with each batch.

Threads are TensorFlow's choice: on two cores and the small CNN (inside an operation, beside one
another) = (2, 1), (1, 2) and (1, 1) brought no clear gain.
"""

import importlib.metadata

from benchmarks.contender import Orders, contender_arguments
from benchmarks.contenders.pooled_examples import PooledExamples
from benchmarks.contenders.thread_settings import set_threads
from benchmarks.workloads import WORKLOADS, Workload


class _Loop:
    """A step and the pictures to call it with."""

    def __init__(self, workload: Workload, examples: PooledExamples) -> None:
        from benchmarks.contenders.keras_training import KerasTraining

        self._training = KerasTraining(workload)
        self._workload, self._examples, self._round_num = workload, examples, 0

    def train_round(self) -> int:
        """One epoch."""
        self._round_num += 1
        for images, labels in zip(*self._examples.batches(self._round_num), strict=True):
            self._training.step(images, labels)
        return self._workload.examples_per_round


def main() -> None:
    """Serves rounds."""
    arguments, orders = contender_arguments(__doc__ or ""), Orders()
    set_threads(intra=arguments.threads, inter=arguments.threads)
    workload = WORKLOADS[arguments.workload]
    loop = _Loop(workload, PooledExamples(workload, arguments.examples))
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    orders.serve(loop.train_round, versions)


if __name__ == "__main__":
    main()
