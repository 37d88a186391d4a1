"""What the machine can do: as many one-thread processes as cores, each with its share.

Every process trains a model of its own on its share of the round's pictures, in one call of a
`tf.function` that loops over their batches, and keeps it. Nothing is sent, merged or read back,
and no process waits for another but at the end of the round.
"""

import contextlib
import importlib.metadata
import multiprocessing
import os
from multiprocessing.connection import Connection

from benchmarks.contender import Orders, contender_arguments
from benchmarks.workloads import WORKLOADS


def _train_share(orders: Connection, name: str, path: str, rank: int, num_shares: int) -> None:
    """Trains this process's share of each round that it is sent the number of."""
    import numpy as np
    import tensorflow as tf

    from benchmarks.contenders.keras_training import KerasTraining
    from benchmarks.contenders.pooled_examples import PooledExamples
    from benchmarks.contenders.thread_settings import set_threads

    set_threads(intra=1, inter=1)
    workload = WORKLOADS[name]
    training, examples = KerasTraining(workload), PooledExamples(workload, path)
    orders.send(0)
    with contextlib.suppress(EOFError, BrokenPipeError):  # the contender has ended
        while True:
            batches = examples.batches(orders.recv())
            images, labels = (np.array_split(array, num_shares)[rank] for array in batches)
            training.epoch(tf.constant(images), tf.constant(labels))
            orders.send(labels.size)


class _Shares:
    """The processes; they end with this one, by which their pipes are closed."""

    def __init__(self, name: str, path: str, num_shares: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._round_num, self._pipes = 0, []
        for rank in range(num_shares):
            pipe, other = context.Pipe()
            arguments = (other, name, path, rank, num_shares)
            context.Process(target=_train_share, args=arguments, daemon=True).start()
            other.close()
            self._pipes.append(pipe)
        self._gather()

    def train_round(self) -> int:
        """Lets all train; the number of pictures."""
        self._round_num += 1
        for pipe in self._pipes:
            pipe.send(self._round_num)
        return self._gather()

    def _gather(self) -> int:
        return sum(pipe.recv() for pipe in self._pipes)


def main() -> None:
    """Serves rounds; `--threads` is the number of processes."""
    arguments, orders = contender_arguments(__doc__ or ""), Orders()
    num_shares = arguments.threads or len(os.sched_getaffinity(0))
    shares = _Shares(arguments.workload, arguments.examples, num_shares)
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    orders.serve(shares.train_round, versions)


if __name__ == "__main__":
    main()
