"""Where one store's time goes, beside the same steps without federated learning.

    python -m benchmarks.store_profile --workload=many_small

One store's `work` runs in one thread, on none of its pictures, on one batch and on all of them: the
first is what a store costs at all (weights in, difference, checks, norm, weight, metrics, weights
out), the differences are what steps cost. Beside it the limit's own epoch, in the same thread.
Then the operations of one run on all pictures, by the time TensorFlow's tracer books on them.
"""

import argparse
import collections
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.contenders.keras_training import KerasTraining
from benchmarks.contenders.thread_settings import set_threads
from benchmarks.machine import describe_machine, machine_text
from benchmarks.workloads import WORKLOADS, Workload, build_model
from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.config import LearningConfig
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.loss import build_loss
from tff_retail.learning.metrics import build_metrics
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import compile_round_form

_SHOWN_OPERATIONS = 16


def main() -> None:
    """Prints the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=sorted(WORKLOADS), default="many_small")
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = parser.parse_args()
    set_threads(intra=1, inter=1)
    workload = WORKLOADS[arguments.workload]
    print(machine_text(describe_machine()))
    store = _Store(workload)
    epoch, num_steps = _limit_epoch(workload), workload.examples_per_store // workload.batch_size
    timed = {
        "store, no picture": lambda: store.work(0),
        "store, one batch": lambda: store.work(workload.batch_size),
        "store, all pictures": lambda: store.work(workload.examples_per_store),
        "the limit, all pictures": epoch,
    }
    medians = _medians(timed, arguments.repetitions)
    for name, milliseconds in medians.items():
        print(f"{name:26} {milliseconds:9.2f} ms")
    empty, one, whole, limit = medians.values()
    print(f"{'a step of the store':26} {(whole - one) / max(num_steps - 1, 1):9.2f} ms")
    print(f"{'a step of the limit':26} {limit / num_steps:9.2f} ms")
    print(f"{'the limit / the store':26} {limit / whole:9.2f}")
    print(f"{'the limit / its steps alone':26} {limit / (whole - empty):9.2f}")
    for name, (microseconds, count) in store.operations().items():
        print(f"{name:45} {microseconds / 1000:9.2f} ms {count:6}")


class _Store:
    """A store's session and pictures."""

    def __init__(self, workload: Workload) -> None:
        size = workload.image_size
        self._pipeline = ExamplePipeline(
            feature="image", shape=(size, size, 3), dtype="uint8", batch_size=workload.batch_size
        )
        learning = LearningConfig(
            client_optimizer="sgd",
            client_learning_rate=workload.learning_rate,
            batch_size=workload.batch_size,
        )
        self._weights = build_model(workload).get_weights()
        model = build_functional_model(
            lambda: build_model(workload),
            initial_weights=self._weights,
            loss=build_loss(learning, workload.num_labels),
            input_spec=self._pipeline.element_spec(),
            metrics=build_metrics(workload.num_labels),
        )
        process = build_fed_avg(model, learning, rounds=1)
        self._part = compile_round_form(process.initialize, process.next)["work"]
        self._session = PartSession(self._part, [self._pipeline], device="", has_own_core=True)
        self._images, self._labels = _pictures(workload)

    def work(self, num_examples: int) -> None:
        """Trains on so many pictures."""
        self._session(self._weights, [self._feeds(num_examples)])

    def operations(self) -> dict[str, tuple[int, int]]:
        """Kernels of one run on all pictures: microseconds, and how often each ran."""
        tensors = [leaf.tensor for leaf in self._part.parameter if not leaf.is_sequence]
        feeds: dict[Any, Any] = dict(zip(tensors, self._weights, strict=True))
        arrays = self._feeds(len(self._labels))
        bound = self._session._bound
        feeds.update(zip(bound.feeds[len(tensors) :], arrays.values(), strict=True))
        fetches = [leaf.tensor for leaf in self._part.result if leaf.tensor not in feeds]
        options = tf.compat.v1.RunOptions(
            trace_level=tf.compat.v1.RunOptions.FULL_TRACE, inter_op_thread_pool=-1
        )
        metadata = tf.compat.v1.RunMetadata()
        for _ in range(3):
            self._session._session.run(fetches, feeds, options, metadata)
        spent: collections.Counter[str] = collections.Counter()
        counts: collections.Counter[str] = collections.Counter()
        for device in metadata.step_stats.dev_stats:
            for node in device.node_stats:
                kernel = node.timeline_label.split(" = ")[-1].split("(")[0].strip()
                spent[kernel] += node.op_end_rel_micros - node.op_start_rel_micros
                counts[kernel] += 1
        return {
            kernel: (microseconds, counts[kernel])
            for kernel, microseconds in spent.most_common(_SHOWN_OPERATIONS)
        }

    def _feeds(self, num_examples: int) -> Mapping[str, np.ndarray]:
        examples = Examples(self._images[:num_examples], self._labels[:num_examples], ())
        return self._pipeline.feeds(examples, seed=0, round_num=1, store="")


def _limit_epoch(workload: Workload) -> Callable[[], None]:
    images, labels = _pictures(workload)
    steps = workload.examples_per_store // workload.batch_size
    shape = (steps, workload.batch_size)
    images = tf.constant(images[: steps * workload.batch_size].reshape(*shape, *images.shape[1:]))
    labels = tf.constant(labels[: steps * workload.batch_size].reshape(shape))
    training = KerasTraining(workload)
    return lambda: training.epoch(images, labels)


def _pictures(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    count, size = workload.examples_per_store, workload.image_size
    images = generator.integers(0, 256, (count, size, size, 3), np.uint8)
    return images, generator.integers(0, workload.num_labels, count, np.int32)


def _medians(timed: Mapping[str, Callable[[], None]], repetitions: int) -> dict[str, float]:
    """Milliseconds, one of each in turn, after two to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for repetition in range(repetitions + 2):
        for name, run in timed.items():
            start = time.perf_counter()
            run()
            if repetition >= 2:
                spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in spent.items()}


if __name__ == "__main__":
    main()
