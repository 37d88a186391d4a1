"""Trains a run's baselines: centrally, and on each store alone, several at the same time."""

import concurrent.futures
import dataclasses
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from datasets.examples import Examples
from tff_retail.program.pooled_training import PooledExamples, train_pooled
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.run_directory import RunDirectory

_CENTRAL = "central"


@dataclasses.dataclass(frozen=True)
class _Job:
    name: str
    file: str
    train: PooledExamples


def train_baselines(
    recogniser: Recogniser,
    *,
    first_weights: Sequence[np.ndarray],
    train: Mapping[str, Callable[[], Examples]],
    validation: PooledExamples,
    rounds: int,
    parallel: int,
    directory: RunDirectory,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """The baselines that the run's configuration asks for, as entries of the summary.

    A finished one is kept in `baselines/` and not trained again after a restart.

    Args:
      recogniser: whose model is trained.
      first_weights: the ones the run started from.
      train: what gives the training examples of each store.
      validation: what all are measured on.
      rounds: as many as the run had.
      parallel: trained at the same time.
      directory: of the run.
      say: told of each result.
      on_progress: called with rounds done and rounds in all.
    """
    config = recogniser.config
    jobs = []
    if config.compare_central:
        pooled = PooledExamples(list(train.values()))
        jobs.append(_Job(_CENTRAL, "baselines/central.json", pooled))
    if config.compare_local:
        jobs += [
            _Job(store, f"baselines/local-{number:05}.json", PooledExamples([load]))
            for number, (store, load) in enumerate(train.items())
        ]
    found = {job.file: directory.read_json(job.file) for job in jobs}
    missing = [job for job in jobs if found[job.file] is None]
    progress = _Progress(rounds, len(jobs), len(jobs) - len(missing), on_progress)
    if missing:
        baselines = "1 baseline" if len(missing) == 1 else f"{len(missing)} baselines"
        say(f"training {baselines} of {rounds} rounds")

    def train_one(job: _Job, model: tf.keras.Model) -> None:
        baseline = train_pooled(
            model,
            first_weights,
            train=job.train,
            validation=validation,
            pipeline=recogniser.pipelines["train"],
            learning=config.learning,
            rounds=rounds,
            eval_every=config.schedule.eval_every,
            seed=config.schedule.seed,
            name=f"baseline/{job.name}",
            on_batch=progress.check,
            on_round=progress.count_round,
        )
        found[job.file] = {"name": job.name, **dataclasses.asdict(baseline)}
        directory.write_json(job.file, found[job.file])

    # Keras builds models on global state, so they are built here, one after the other.
    models = [recogniser.trained_model() for _ in missing[:parallel]]
    try:
        _train_all(missing, models, train_one)
    finally:
        progress.stop()
    results: dict[str, Any] = {}
    if config.compare_central:
        results["central_accuracy"] = found["baselines/central.json"]["metrics"]["top_1"]
    if config.compare_local:
        local = [job for job in jobs if job.file != "baselines/central.json"]
        results["local_accuracy"] = {job.name: found[job.file]["metrics"]["top_1"] for job in local}
    return results


def _train_all(
    jobs: Sequence[_Job],
    models: Sequence[tf.keras.Model],
    train_one: Callable[[_Job, tf.keras.Model], None],
) -> None:
    """Trains as many jobs at the same time as there are models; the longest begin first."""
    idle: queue.SimpleQueue[tf.keras.Model] = queue.SimpleQueue()
    for model in models:
        idle.put(model)

    def train(job: _Job) -> None:
        model = idle.get()
        try:
            train_one(job, model)
        finally:
            idle.put(model)

    pool = concurrent.futures.ThreadPoolExecutor(max(len(models), 1), "baseline")
    try:
        ordered = sorted(jobs, key=lambda job: -len(job.train))
        futures = [pool.submit(train, job) for job in ordered]
        for future in concurrent.futures.as_completed(futures):
            future.result()
    finally:
        # Those that an interrupt leaves at work end at their next batch, see `_Progress.stop`.
        pool.shutdown(wait=False, cancel_futures=True)


class _Stopped(Exception):
    """The baselines were asked to stop."""


class _Progress:
    """Counts rounds over all baselines, and passes on that they shall stop."""

    def __init__(
        self, rounds: int, num_jobs: int, num_done: int, on_progress: Callable[[int, int], None]
    ) -> None:
        self._done, self._total = rounds * num_done, rounds * num_jobs
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._is_stopped = False

    def count_round(self) -> None:
        with self._lock:
            self._done += 1
            self._on_progress(self._done, self._total)

    def check(self) -> None:
        if self._is_stopped:
            raise _Stopped

    def stop(self) -> None:
        self._is_stopped = True
