"""Trains a run's baselines: centrally, and on each store alone, several at the same time."""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from datasets.examples import Examples
from tff_retail.program.pooled_training import Baseline, PooledExamples, train_pooled
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.run_directory import RunDirectory

_CENTRAL = "central"


@dataclasses.dataclass(frozen=True)
class _Job:
    name: str
    file: str
    train: PooledExamples


class Interrupted(Exception):
    """The baselines were asked to stop."""


def train_baselines(
    recogniser: Recogniser,
    *,
    first_weights: Sequence[np.ndarray],
    train: dict[str, Examples],
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
      train: the training examples of each store.
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
            _Job(store, f"baselines/local-{number:05}.json", PooledExamples([examples]))
            for number, (store, examples) in enumerate(train.items())
        ]
    trainer = _Trainer(recogniser, first_weights, validation, rounds, len(jobs), on_progress)
    found = {job.file: directory.read_json(job.file) for job in jobs}
    missing = [job for job in jobs if found[job.file] is None]
    if missing:
        say(f"training {len(missing)} baselines of {rounds} rounds")
    for job, baseline in trainer.train_all(missing, parallel):
        found[job.file] = {"name": job.name, **dataclasses.asdict(baseline)}
        directory.write_json(job.file, found[job.file])
    results: dict[str, Any] = {}
    if config.compare_central:
        results["central_accuracy"] = found["baselines/central.json"]["metrics"]["top_1"]
    if config.compare_local:
        local = [job for job in jobs if job.file != "baselines/central.json"]
        results["local_accuracy"] = {job.name: found[job.file]["metrics"]["top_1"] for job in local}
    return results


class _Trainer:
    def __init__(
        self,
        recogniser: Recogniser,
        first_weights: Sequence[np.ndarray],
        validation: PooledExamples,
        rounds: int,
        num_jobs: int,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._recogniser = recogniser
        self._first_weights = first_weights
        self._validation = validation
        self._rounds = rounds
        self._total = rounds * num_jobs
        self._done = rounds * num_jobs
        self._on_progress = on_progress
        self._is_stopped = False

    def train_all(self, jobs: Sequence[_Job], parallel: int) -> Any:
        """Yields (job, baseline) as they are done; the longest jobs begin first."""
        self._done = self._total - self._rounds * len(jobs)
        ordered = sorted(jobs, key=lambda job: -len(job.train))
        # Keras builds models on global state, so they are built here, one after the other.
        with concurrent.futures.ThreadPoolExecutor(parallel, "baseline") as pool:
            futures = {
                pool.submit(self._train, job, self._recogniser.trained_model()): job
                for job in ordered
            }
            try:
                for future in concurrent.futures.as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                self._is_stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _train(self, job: _Job, model: Any) -> Baseline:
        config = self._recogniser.config
        return train_pooled(
            model,
            self._first_weights,
            train=job.train,
            validation=self._validation,
            pipeline=self._recogniser.pipelines["train"],
            learning=config.learning,
            rounds=self._rounds,
            eval_every=config.schedule.eval_every,
            seed=config.schedule.seed,
            name=f"baseline/{job.name}",
            on_round=self._count,
        )

    def _count(self, round_num: int) -> None:
        if self._is_stopped:
            raise Interrupted(f"stopped after round {round_num}")
        self._done += 1
        self._on_progress(min(self._done, self._total), self._total)
