"""The loop of a run: rounds, evaluation, checkpoints, releases, until enough.

A round's metrics are released before its state is saved. A run killed in between does the round
again, with the same result, and the metric files drop what they had of it.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

from tff_retail.config import ScheduleConfig
from tff_retail.learning.round_metrics import training_metrics
from tff_retail.program.best_weights import BestWeights
from tff_retail.program.checkpoints import Checkpoints, Progress
from tff_retail.program.console import RoundConsole
from tff_retail.program.evaluation import Evaluation, Evaluator, is_better
from tff_retail.program.metric_files import MetricFiles
from tff_retail.program.round_line import RoundLine
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.roster import Roster
from tff_retail.runtime.synchronous_schedule import SynchronousSchedule

Leaves = list[np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """What the loop made.

    Attributes:
      state: leaves of the last server state.
      progress: how far it came.
      is_converged: whether it stopped early, for want of gain.
    """

    state: Leaves
    progress: Progress
    is_converged: bool


class TrainingRun:
    """Runs rounds until there are enough or none helps any more.

    Args:
      schedule: rounds, evaluation and patience.
      federated_round: runs a round of training.
      roster: who can be asked.
      evaluator: evaluates a state; None where no store has photographs to evaluate on.
      console: told every round.
      overselect: see `SynchronousSchedule`.
      on_durable: told the last round whose state is on disk, so that what could make it again may
        be forgotten.
    """

    def __init__(
        self,
        *,
        schedule: ScheduleConfig,
        federated_round: FederatedRound,
        roster: Roster,
        evaluator: Evaluator | None,
        console: RoundConsole,
        overselect: float = 0.0,
        on_durable: Callable[[int], None] = lambda round_num: None,
    ) -> None:
        self._config = schedule
        self._schedule = SynchronousSchedule(schedule, overselect=overselect)
        self._round = federated_round
        self._roster = roster
        self._evaluator = evaluator
        self._console = console
        self._on_durable = on_durable

    def train(
        self,
        state: Leaves,
        progress: Progress,
        *,
        checkpoints: Checkpoints,
        metric_files: MetricFiles,
        best_weights: BestWeights,
    ) -> Trained:
        """Goes on from `state`.

        Args:
          state: leaves of the server state after `progress.round_num` rounds.
          progress: how far the run has come.
          checkpoints: keeps the state of every round.
          metric_files: gets the metrics of every round.
          best_weights: keeps the model that evaluated best.

        Raises:
          QuorumMissed: a round did not get enough results.
          WorkStopped: the sessions were closed.
        """
        rounds = self._config.rounds
        first = progress.round_num + 1
        for round_num in range(first, rounds + 1):
            if self._is_converged(progress):
                break
            self._console.round_started(round_num, rounds)
            clock = _Clock()
            collection, state, trained = self._train_round(state, round_num)
            clock.lap("training")
            evaluation = self._evaluate(state, round_num)
            progress = self._advance(progress, round_num, evaluation)
            clock.lap("evaluation")
            self._wait_for_disk(checkpoints, round_num - 1)
            if progress.best_round == round_num:
                best_weights.save(round_num, state)
            metrics = _released(trained, evaluation, collection, clock.seconds)
            metric_files.release(round_num, metrics, evaluation.stores if evaluation else None)
            clock.lap("saving")
            if round_num > first:
                progress = dataclasses.replace(
                    progress,
                    timed_images=progress.timed_images + int(trained["num_examples"]),
                    timed_seconds=progress.timed_seconds + clock.seconds["training"],
                )
            checkpoints.save(state, progress)
            self._tell(round_num, collection, trained, evaluation, clock)
        self._wait_for_disk(checkpoints, progress.round_num)
        is_converged = progress.round_num < rounds
        return Trained(state=state, progress=progress, is_converged=is_converged)

    def _train_round(
        self, state: Leaves, round_num: int
    ) -> tuple[Collection, Leaves, Mapping[str, float]]:
        done: list[Outcome] = []
        asked = 0

        def on_asked(num_stores: int) -> None:
            nonlocal asked
            asked = num_stores
            done.clear()

        def on_store_done(outcome: Outcome) -> None:
            done.append(outcome)
            if outcome.failure is not None:
                self._console.say(f"round {round_num}: no result of {outcome.failure}")
            self._console.store_done(len(done), asked)

        collection = self._schedule.collect(
            self._round,
            state,
            self._roster,
            round_num,
            on_asked=on_asked,
            on_store_done=on_store_done,
        )
        result = self._round.update(state, collection)
        trained = {name: _number(value) for name, value in training_metrics(result.metrics).items()}
        return collection, result.state, trained

    def _wait_for_disk(self, checkpoints: Checkpoints, round_num: int) -> None:
        checkpoints.wait()
        if round_num:
            self._on_durable(round_num)

    def _evaluate(self, state: Leaves, round_num: int) -> Evaluation | None:
        is_due = round_num % self._config.eval_every == 0 or round_num == self._config.rounds
        if self._evaluator is None or not is_due:
            return None
        evaluation = self._evaluator.evaluate(state, round_num)
        # Where no store answered there is nothing to go by.
        return evaluation if evaluation.metrics["num_examples"] else None

    def _advance(
        self, progress: Progress, round_num: int, evaluation: Evaluation | None
    ) -> Progress:
        progress = dataclasses.replace(progress, round_num=round_num)
        if evaluation is None:
            return progress
        if not is_better(evaluation.metrics, progress.best_metrics):
            without_gain = progress.evaluations_without_gain + 1
            return dataclasses.replace(progress, evaluations_without_gain=without_gain)
        return dataclasses.replace(
            progress,
            best_round=round_num,
            best_metrics=dict(evaluation.metrics),
            evaluations_without_gain=0,
        )

    def _is_converged(self, progress: Progress) -> bool:
        patience = self._config.patience
        return patience is not None and progress.evaluations_without_gain >= patience

    def _tell(
        self,
        round_num: int,
        collection: Collection,
        trained: Mapping[str, float],
        evaluation: Evaluation | None,
        clock: "_Clock",
    ) -> None:
        rounds_left = self._config.rounds - round_num
        if trained.get("num_not_finite"):
            self._console.say(
                f"round {round_num}: {trained['num_not_finite']:.0f} updates were not finite and "
                "were dropped; a lower --client_learning_rate helps"
            )
        self._console.round_finished(
            RoundLine(
                round_num=round_num,
                rounds=self._config.rounds,
                stores_done=collection.num_results,
                stores_asked=len(collection.outcomes),
                train_loss=trained["loss"],
                train_top_1=trained["top_1"],
                eval_loss=evaluation.metrics["loss"] if evaluation else None,
                eval_top_1=evaluation.metrics["top_1"] if evaluation else None,
                worst_store=evaluation.worst_store if evaluation else None,
                worst_top_1=evaluation.worst_top_1 if evaluation else None,
                seconds=clock.seconds,
                eta_s=rounds_left * clock.total,
            )
        )


class _Clock:
    """What the time of a round goes into."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Books the time since the last lap on `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def _released(
    trained: Mapping[str, float],
    evaluation: Evaluation | None,
    collection: Collection,
    seconds: Mapping[str, float],
) -> dict[str, float]:
    """A round's metrics as the files name them."""
    released = {f"train/{name}": value for name, value in trained.items()}
    if evaluation is not None:
        released |= {f"eval/{name}": value for name, value in evaluation.metrics.items()}
        released |= {f"stores/{name}": value for name, value in evaluation.summary.items()}
    released["stores/asked"] = len(collection.outcomes)
    released["stores/done"] = collection.num_results
    return released | {f"seconds/{name}": value for name, value in seconds.items()}


def _number(value: np.ndarray) -> float:
    return np.asarray(value).item()
