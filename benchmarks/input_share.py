"""How much of a round goes into images from the cache, and how that compares to `np.memmap`.

    python -m benchmarks.input_share

MobileNetV2 at 96² on a chain of 5 stores with 256 photographs to train on. In turn: a round; the
same stores' input alone, by the same sessions and pipeline, two stores side by side, without and
with light augmentation (a run's default); and the same bytes read through `np.memmap`.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measurement import Scratch, run_alone
from benchmarks.noise_chain import write_noise_chain
from benchmarks.row import Comparison, Row, Series, paired_ratios
from benchmarks.setting import Setting

if TYPE_CHECKING:
    from datasets.store_photographs import StorePhotographs
    from tff_retail.config import RunConfig

NAME, TITLE = "input_share", "images from the cache, MobileNetV2 96²"
_LABELS = 10
_MAX_SHARE_PERCENT = 5.0
_AUGMENTATIONS = ("none", "light")
# A pass without a model takes milliseconds: several make a time that can be told.
_PASSES = 5


def measure(
    repetitions: int,
    scratch: Scratch,
    say: Callable[[str], None],
    setting: Setting | None = None,
) -> Row:
    """Times rounds and passes over the input in turn, after one of each to warm up."""
    from benchmarks.simulated_rounds import SimulatedRounds, open_simulated_chain
    from tff_retail.config import RuntimeConfig
    from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings

    began = time.monotonic()
    cores = len(os.sched_getaffinity(0))
    apply_tensorflow_settings(RuntimeConfig(), seed=0)  # before TensorFlow's first operation
    config = _config(scratch.folder, setting or Setting())
    simulated, photographs, recogniser = open_simulated_chain(config, scratch.folder / "form", say)
    rounds = SimulatedRounds(
        recogniser.forms["train"],
        [simulated.store(one) for one in photographs],
        parallel_stores=cores,
    )
    inputs = {name: _Input(photographs, config, name, cores) for name in _AUGMENTATIONS}
    images = sum(one.num_examples("train") for one in photographs)
    round_s: list[float] = []
    pass_s: dict[str, list[float]] = {name: [] for name in _AUGMENTATIONS}
    memmap_s: list[float] = []
    for number in range(repetitions + 1):
        times = rounds.train_round(), {name: one.read() for name, one in inputs.items()}
        mapped = _read_memmaps(photographs)
        if number:  # the first one warms up
            round_s.append(times[0])
            memmap_s.append(mapped)
            for name, seconds in times[1].items():
                pass_s[name].append(seconds)
            say(f"  round {times[0]:.2f} s, input {times[1]['light'] * 1000:.0f} ms")
    simulated.close()
    for one in inputs.values():
        one.close()
    return _row(images, round_s, pass_s, memmap_s, time.monotonic() - began)


class _Input:
    """The stores' input without a model: the pipeline in a run's sessions, batch after batch."""

    def __init__(
        self,
        photographs: "Sequence[StorePhotographs]",
        config: "RunConfig",
        augmentation: str,
        parallel_stores: int,
    ) -> None:
        from tff_retail.program.recogniser import make_pipelines
        from tff_retail.runtime.part_session import PartSession
        from tff_retail.runtime.session_pool import SessionPool

        learning = dataclasses.replace(config.learning, augmentation=augmentation)
        size = config.model.image_size
        shape = (size, size, 3)
        self._pipeline = make_pipelines(dataclasses.replace(config, learning=learning), shape)[
            "train"
        ]
        part = _consume(self._pipeline.element_spec())
        self._sessions = SessionPool(lambda number: PartSession(part, [self._pipeline]))
        self._photographs = photographs
        self._pool = concurrent.futures.ThreadPoolExecutor(parallel_stores)

    def read(self) -> float:
        """Seconds of one pass over all stores."""
        start = time.perf_counter()
        for _ in range(_PASSES):
            counts = self._pool.map(self._read_store, self._photographs)
            if sum(counts) != sum(one.num_examples("train") for one in self._photographs):
                raise RuntimeError("the pipeline left pictures out")
        return (time.perf_counter() - start) / _PASSES

    def close(self) -> None:
        """Ends threads and sessions."""
        self._pool.shutdown()
        self._sessions.close()

    def _read_store(self, photographs: "StorePhotographs") -> int:
        examples = photographs.load("train")
        feeds = self._pipeline.feeds(examples, seed=0, round_num=1, store=photographs.name)
        with self._sessions.session() as session:
            (count,) = session([], [feeds])
        return int(count)


def _consume(element_spec):  # type: ignore[no-untyped-def]
    """A part that takes a data set and counts its pictures: every batch is made, none is used."""
    import tensorflow as tf
    import tensorflow_federated as tff

    from tff_retail.runtime.round_form import compile_part

    @tff.tensorflow.computation(tff.SequenceType(tff.types.tensorflow_to_type(element_spec)))
    def count(dataset):  # type: ignore[no-untyped-def]
        @tf.function
        def over_batches():  # type: ignore[no-untyped-def]
            total = tf.constant(0)
            for image, _ in dataset:
                total += tf.shape(image["image"])[0]
            return total

        return over_batches()

    return compile_part(count)


def _read_memmaps(photographs: "Sequence[StorePhotographs]") -> float:
    """Seconds to copy all stores' pictures out of their mapped files, in one thread."""
    start = time.perf_counter()
    for _ in range(_PASSES):
        for store in photographs:
            np.array(store.load("train").features)
    return (time.perf_counter() - start) / _PASSES


def _row(
    images: int,
    round_s: list[float],
    pass_s: dict[str, list[float]],
    memmap_s: list[float],
    seconds: float,
) -> Row:
    titles = {"none": "input", "light": "input, light augmentation"}
    measured = {"round": round_s}
    measured |= {titles[name]: values for name, values in pass_s.items()}
    measured["np.memmap, one thread"] = memmap_s
    return Row(
        name=NAME,
        title=TITLE,
        series=tuple(
            Series(name=name, unit="images/s", values=tuple(images / one for one in values))
            for name, values in measured.items()
        ),
        comparisons=(
            *(
                Comparison(
                    name=f"{titles[name]}, of a round",
                    unit="%",
                    values=tuple(100 * share for share in paired_ratios(values, round_s)),
                    at_most=_MAX_SHARE_PERCENT,
                )
                for name, values in pass_s.items()
            ),
            Comparison(
                name="input to np.memmap",
                values=paired_ratios(memmap_s, pass_s["none"]),
            ),
        ),
        seconds=seconds,
    )


def _config(folder: pathlib.Path, setting: Setting) -> "RunConfig":
    from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig

    chain = write_noise_chain(
        folder / "chain",
        num_stores=setting.num_stores,
        photographs_per_store=setting.photographs_per_store,
        image_size=setting.image_size,
        num_labels=_LABELS,
    )
    return RunConfig(
        data=DataConfig(data_dir=str(chain)),
        model=ModelConfig(name=setting.model, image_size=setting.image_size),
        learning=LearningConfig(client_optimizer="sgd"),
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=5)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> list[Row]:
    return [measure(arguments.repetitions, scratch, print)]


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
