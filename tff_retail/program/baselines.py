"""A run's baselines: trained centrally and on each store alone, kept, and put into the summary."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tff_retail.config import RunConfig
from tff_retail.program.baseline_job import BaselineJob
from tff_retail.program.pooled_training import Baseline
from tff_retail.program.run_directory import RunDirectory

_CENTRAL = "central"
_CENTRAL_FILE = "baselines/central.json"


class BaselineTrainer(Protocol):
    """Trains baselines, here or elsewhere."""

    def train(
        self,
        jobs: Sequence[BaselineJob],
        *,
        on_result: Callable[[BaselineJob, Baseline], None],
        on_rounds: Callable[[int], None],
    ) -> None:
        """Trains each job.

        Args:
          jobs: the longest first.
          on_result: told of each one's result, from any thread.
          on_rounds: told how many rounds more are done, from any thread, one call at a time.
        """
        ...


def train_baselines(
    config: RunConfig,
    trainer: BaselineTrainer,
    *,
    stores: Mapping[str, int],
    measure_on: Sequence[int],
    rounds: int,
    directory: RunDirectory,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """The baselines that a configuration asks for, as entries of the summary.

    A finished one is kept in `baselines/` and not trained again after a restart.

    Args:
      config: of the run.
      trainer: trains what is missing.
      stores: examples to train on by store; a store's number is its position in here.
      measure_on: numbers of the stores that all are measured on.
      rounds: as many as the run had.
      directory: of the run.
      say: told of what is trained.
      on_progress: called with rounds done and rounds in all.
    """
    files = _files(config, stores, tuple(measure_on), rounds)
    found = {file: directory.read_json(file) for file in files}
    missing = {job: file for file, job in files.items() if found[file] is None}
    done = rounds * (len(files) - len(missing))
    if missing:
        baselines = "1 baseline" if len(missing) == 1 else f"{len(missing)} baselines"
        say(f"training {baselines} of {rounds} rounds")

    def keep(job: BaselineJob, baseline: Baseline) -> None:
        found[missing[job]] = {"name": job.name, **dataclasses.asdict(baseline)}
        directory.write_json(missing[job], found[missing[job]])

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_progress(done, rounds * len(files))

    trainer.train(
        sorted(missing, key=lambda job: -job.num_examples), on_result=keep, on_rounds=count
    )
    results: dict[str, Any] = {}
    if config.compare_central:
        results["central_accuracy"] = found[_CENTRAL_FILE]["metrics"]["top_1"]
    if config.compare_local:
        local = {job.name: file for file, job in files.items() if file != _CENTRAL_FILE}
        results["local_accuracy"] = {
            name: found[file]["metrics"]["top_1"] for name, file in local.items()
        }
    return results


def _files(
    config: RunConfig, stores: Mapping[str, int], measure_on: tuple[int, ...], rounds: int
) -> dict[str, BaselineJob]:
    """The baselines that are asked for, by the file that keeps them."""

    def job(name: str, numbers: Sequence[int]) -> BaselineJob:
        examples = sum(list(stores.values())[number] for number in numbers)
        return BaselineJob(
            name=name,
            train_on=tuple(numbers),
            measure_on=measure_on,
            num_examples=examples,
            rounds=rounds,
        )

    files = {}
    if config.compare_central:
        files[_CENTRAL_FILE] = job(_CENTRAL, range(len(stores)))
    if config.compare_local:
        for number, store in enumerate(stores):
            files[f"baselines/local-{number:05}.json"] = job(store, [number])
    return files
