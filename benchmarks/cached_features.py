"""A frozen backbone: features computed once a store and kept, against computed in every round.

    python -m benchmarks.cached_features

MobileNetV2 at 96², 5 stores with 256 photographs to train on; only the head learns, one local epoch
a round. Both runs train the same head on the same pictures in the same order with the same engine;
in the one without the cache every store computes its features anew for every round, in the large
batches of the one that keeps them. Rounds alternate. After two rounds the two heads are compared:
they must be equal, or else the comparison would be of two different things.
"""

import argparse
import functools
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
    from benchmarks.simulated_rounds import SimulatedRounds
    from datasets.store_photographs import StorePhotographs
    from tff_retail.config import RunConfig
    from tff_retail.program.recogniser import Recogniser

NAME, TITLE = "cached_features", "frozen backbone, features cached, MobileNetV2 96²"
_LABELS = 10
_MIN_SPEED_UP = 10.0


def measure(
    repetitions: int,
    scratch: Scratch,
    say: Callable[[str], None],
    setting: Setting | None = None,
) -> Row:
    """Times rounds of both in turn; the first round of each is told apart."""
    from benchmarks.simulated_rounds import SimulatedRounds, open_simulated_chain
    from tff_retail.config import RuntimeConfig
    from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings

    began = time.monotonic()
    cores = len(os.sched_getaffinity(0))
    apply_tensorflow_settings(RuntimeConfig(), seed=0)  # before TensorFlow's first operation
    config = _config(scratch.folder, setting or Setting())
    simulated, photographs, recogniser = open_simulated_chain(config, scratch.folder / "form", say)
    cached = SimulatedRounds(
        recogniser.forms["train"],
        [simulated.store(one) for one in photographs],
        parallel_stores=cores,
    )
    without = _without_cache(recogniser, photographs, cores)
    first = {"cached": cached.train_round(), "without": without.train_round()}
    cached_s, without_s = [], []
    for _ in range(repetitions):
        without_s.append(without.train_round())
        cached_s.append(cached.train_round())
        if len(cached_s) == 1:
            _require_equal_heads(cached, without)
        say(f"  without the cache {without_s[-1]:.2f} s, with it {cached_s[-1]:.3f} s")
    simulated.close()
    return _row(first, cached_s, without_s, time.monotonic() - began)


def _without_cache(
    recogniser: "Recogniser", photographs: "Sequence[StorePhotographs]", parallel_stores: int
) -> "SimulatedRounds":
    """The same stores, but that each computes its features anew for every round."""
    from benchmarks.simulated_rounds import SimulatedRounds
    from tff_retail.program.simulated_chain import StoredFeatures, StoreExamples
    from tff_retail.runtime.part_session import PartSession
    from tff_retail.runtime.session_pool import SessionPool
    from tff_retail.runtime.simulated_store import Role, SimulatedStore

    assert recogniser.backbone is not None
    form, pipelines = recogniser.forms["train"], recogniser.pipelines
    features = StoredFeatures(recogniser.backbone, [""])
    sessions = SessionPool(
        lambda device: PartSession(
            form["work"], [pipelines["train"]], device=device, has_own_core=True
        )
    )
    roles = {"train": Role(sessions, lambda outputs: {})}
    stores = [
        SimulatedStore(
            one.name,
            StoreExamples(one, pipelines, functools.partial(features.compute, one)),
            roles,
        )
        for one in photographs
    ]
    return SimulatedRounds(form, stores, parallel_stores=parallel_stores)


def _require_equal_heads(cached: "SimulatedRounds", without: "SimulatedRounds") -> None:
    heads = [
        [
            leaf
            for path, leaf in zip(rounds.state_paths, rounds.state, strict=True)
            if path.startswith("global_model_weights/trainable/")
        ]
        for rounds in (cached, without)
    ]
    for ours, theirs in zip(*heads, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg="the runs differ")


def _row(
    first: dict[str, float], cached_s: list[float], without_s: list[float], seconds: float
) -> Row:
    measured = {
        "round without the cache": without_s,
        "round with it, from the second on": cached_s,
        "first round without the cache": [first["without"]],
        "first round with it, features computed": [first["cached"]],
    }
    return Row(
        name=NAME,
        title=TITLE,
        series=tuple(
            Series(name=name, unit="s", values=tuple(values)) for name, values in measured.items()
        ),
        comparisons=(
            Comparison(
                name="of the same run without the cache",
                values=paired_ratios(without_s, cached_s),
                at_least=_MIN_SPEED_UP,
            ),
        ),
        seconds=seconds,
    )


def _config(folder: pathlib.Path, setting: Setting) -> "RunConfig":
    from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig
    from tff_retail.learning.models.keras_model import build_keras_model

    chain = write_noise_chain(
        folder / "chain",
        num_stores=setting.num_stores,
        photographs_per_store=setting.photographs_per_store,
        image_size=setting.image_size,
        num_labels=_LABELS,
    )
    fresh = ModelConfig(name=setting.model, image_size=setting.image_size)
    weights = folder / "weights.h5"
    build_keras_model(fresh, _LABELS).save_weights(str(weights))
    return RunConfig(
        data=DataConfig(data_dir=str(chain)),
        model=ModelConfig(
            name=fresh.name,
            image_size=setting.image_size,
            weights=str(weights),
            freeze_backbone=True,
        ),
        learning=LearningConfig(client_optimizer="sgd", augmentation="none"),
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=7)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> list[Row]:
    return [measure(arguments.repetitions, scratch, print)]


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
