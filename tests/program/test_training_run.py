"""The order of what happens in a run, when it stops, and how it goes on."""

import dataclasses

import numpy as np
import pytest

from tff_retail.config import ScheduleConfig
from tff_retail.program.checkpoints import Progress
from tff_retail.program.evaluation import Evaluation
from tff_retail.program.training_run import TrainingRun
from tff_retail.runtime.federated_round import RoundResult
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.roster import SteadyRoster

FIRST = [np.array(0)]


@dataclasses.dataclass
class _Store:
    name: str


STORES = [_Store("north"), _Store("south")]


class _CountingRound:
    """The state counts the rounds."""

    def __init__(self, failing=(), **metrics):
        self._failing = failing
        self._metrics = metrics

    def broadcast(self, state):
        return state

    def collect(self, cohort, request, *, enough, on_store_done):
        outcomes = []
        for store in cohort:
            failure = f"{store.name}: no disk" if store.name in self._failing else None
            outcomes.append(Outcome(store.name, failure, {}, 0.0))
            on_store_done(outcomes[-1])
        return Collection([], tuple(outcomes))

    def update(self, state, collection):
        metrics = {"loss": 0.5, "top_1": 0.25, "num_examples": 10, **self._metrics}
        paths = {f"client_work/train/{name}": np.array(value) for name, value in metrics.items()}
        return RoundResult([state[0] + 1], paths)


class _Evaluator:
    """Gives the accuracies in turn, by round."""

    def __init__(self, *top_1):
        self._top_1 = top_1
        self.rounds = []

    def evaluate(self, state, round_num):
        assert int(state[0]) == round_num  # the model after the round, not the one before
        self.rounds.append(round_num)
        metrics = {"top_1": self._top_1[round_num - 1], "loss": 1.0, "num_examples": 4}
        return Evaluation(metrics=metrics, stores={"north": {**metrics, "num_examples": 6}})


class _Disk:
    """Checkpoints, metric files and best weights, noting the order; may fail at one step."""

    def __init__(self, fails_at=None):
        self.steps, self.saved, self.released, self.stores = [], {}, {}, {}
        self.best = {}
        self._fails_at = fails_at
        self.checkpoints = self.metric_files = self.best_weights = self

    def _step(self, *step):
        if step == self._fails_at:
            raise OSError("no room")
        self.steps.append(step)

    def wait(self):
        self._step("wait")

    def save(self, first, second):
        if isinstance(second, Progress):
            self._step("checkpoint", second.round_num)
            self.saved[second.round_num] = (first, second)
        else:
            self._step("best", first)
            self.best[first] = second

    def release(self, round_num, metrics, stores):
        self._step("metrics", round_num)
        self.released[round_num], self.stores[round_num] = metrics, stores


class _Console:
    def __init__(self):
        self.said, self.lines, self.done = [], [], []

    def say(self, text):
        self.said.append(text)

    def round_started(self, round_num, rounds):
        pass

    def store_done(self, done, asked):
        self.done.append((done, asked))

    def round_finished(self, line):
        self.lines.append(line)


def _train(
    evaluator,
    disk=None,
    console=None,
    federated_round=None,
    start=None,
    on_durable=lambda round_num: None,
    **settings,
):
    disk = disk or _Disk()
    schedule = ScheduleConfig(**{"min_stores": 1, "min_available_stores": 1, **settings})
    run = TrainingRun(
        schedule=schedule,
        federated_round=federated_round or _CountingRound(),
        roster=SteadyRoster(STORES),
        evaluator=evaluator,
        console=console or _Console(),
        on_durable=on_durable,
    )
    state, progress = start or (FIRST, Progress())
    trained = run.train(state, progress, checkpoints=disk, metric_files=disk, best_weights=disk)
    return trained, disk


def _untimed(progress):
    return dataclasses.replace(progress, timed_images=0, timed_seconds=0.0)


def test_metrics_come_before_the_state_and_the_best_before_both():
    _, disk = _train(_Evaluator(0.5, 0.75), rounds=2)
    assert disk.steps == [
        ("wait",),
        ("best", 1),
        ("metrics", 1),
        ("checkpoint", 1),
        ("wait",),  # the state before is on disk before anything says more of the run
        ("best", 2),
        ("metrics", 2),
        ("checkpoint", 2),
        ("wait",),
    ]


def test_only_a_better_round_is_kept_as_the_best():
    trained, disk = _train(_Evaluator(0.5, 0.25, 0.75, 0.75), rounds=4)
    assert sorted(disk.best) == [1, 3]
    assert int(disk.best[3][0]) == 3
    assert trained.progress.best_round == 3
    assert trained.progress.best_metrics == {"top_1": 0.75, "loss": 1.0, "num_examples": 4}
    assert int(trained.state[0]) == 4
    assert not trained.is_converged


def test_it_stops_after_so_many_evaluations_without_gain():
    trained, disk = _train(_Evaluator(0.5, 0.75, 0.7, 0.75, 1.0), rounds=5, patience=2)
    assert trained.is_converged
    assert trained.progress.round_num == 4
    assert trained.progress.best_round == 2
    again, later = _train(
        _Evaluator(), rounds=5, patience=2, start=(trained.state, trained.progress)
    )
    assert again == trained
    assert later.steps == [("wait",)]


def test_a_gain_starts_the_count_anew():
    trained, _ = _train(_Evaluator(0.5, 0.4, 0.6, 0.5, 0.5), rounds=5, patience=2)
    assert trained.progress.round_num == 5


def test_evaluations_come_every_so_often_and_at_the_end():
    evaluator = _Evaluator(*[0.5] * 5)
    _, disk = _train(evaluator, rounds=5, eval_every=2)
    assert evaluator.rounds == [2, 4, 5]
    assert [round_num for round_num in disk.released if "eval/top_1" in disk.released[round_num]]
    assert disk.stores[1] is None
    assert disk.stores[2] == {"north": {"top_1": 0.5, "loss": 1.0, "num_examples": 6}}


def test_without_anything_to_evaluate_on_the_last_round_stands():
    trained, disk = _train(None, rounds=2, patience=1)
    assert trained.progress.best_round == 0
    assert trained.progress.round_num == 2
    assert disk.best == {}


@pytest.mark.parametrize("fails_at", [("best", 2), ("metrics", 2), ("checkpoint", 2)])
def test_stopped_anywhere_it_goes_on_to_the_same_end(fails_at):
    accuracies = (0.25, 0.5, 0.5, 0.75)
    whole, _ = _train(_Evaluator(*accuracies), rounds=4)
    disk = _Disk(fails_at)
    with pytest.raises(OSError):
        _train(_Evaluator(*accuracies), disk, rounds=4)
    assert sorted(disk.saved) == [1]
    resumed, later = _train(_Evaluator(*accuracies), rounds=4, start=disk.saved[1])
    assert sorted(later.released) == [2, 3, 4]
    assert _untimed(resumed.progress) == _untimed(whole.progress)
    assert resumed.state == whole.state


def test_the_first_round_of_a_start_is_not_timed():
    trained, disk = _train(None, rounds=3)
    assert trained.progress.timed_images == 20
    assert trained.progress.timed_seconds > 0
    resumed, _ = _train(None, rounds=3, start=disk.saved[1])
    assert resumed.progress.timed_images == 10


def test_what_is_released_of_a_round():
    _, disk = _train(_Evaluator(0.5), rounds=1, federated_round=_CountingRound(("south",)))
    seconds = {name for name in disk.released[1] if name.startswith("seconds/")}
    assert seconds == {"seconds/training", "seconds/evaluation"}
    assert {name: disk.released[1][name] for name in set(disk.released[1]) - seconds} == {
        "train/loss": 0.5,
        "train/top_1": 0.25,
        "train/num_examples": 10,
        "eval/top_1": 0.5,
        "eval/loss": 1.0,
        "eval/num_examples": 4,
        "stores/loss_weighted": 1.0,
        "stores/loss_unweighted": 1.0,
        "stores/top_1_weighted": 0.5,
        "stores/top_1_unweighted": 0.5,
        "stores/top_1_worst": 0.5,
        "stores/asked": 2,
        "stores/done": 1,
    }


def test_what_goes_wrong_at_a_store_is_said():
    console = _Console()
    failing = _CountingRound(("south",), num_not_finite=2)
    _train(_Evaluator(0.5), console=console, rounds=1, federated_round=failing)
    assert console.said == [
        "round 1: no result of south: no disk",
        "round 1: 2 updates were not finite and were dropped; a lower --client_learning_rate helps",
    ]
    assert console.done == [(1, 2), (2, 2)]
    (line,) = console.lines
    assert (line.stores_done, line.stores_asked, line.worst_store) == (1, 2, "north")
    assert (line.train_loss, line.eval_top_1) == (0.5, 0.5)


def test_a_round_is_called_durable_once_its_state_is_on_disk():
    disk = _Disk()
    _train(
        _Evaluator(0.5, 0.5),
        disk,
        rounds=2,
        on_durable=lambda round_num: disk.steps.append(("durable", round_num)),
    )
    order = [step for step in disk.steps if step[0] in ("checkpoint", "wait", "durable")]
    assert order == [
        ("wait",),
        ("checkpoint", 1),
        ("wait",),
        ("durable", 1),
        ("checkpoint", 2),
        ("wait",),
        ("durable", 2),
    ]


def test_an_evaluation_that_no_store_answered_is_none():
    class _Nobody(_Evaluator):
        def evaluate(self, state, round_num):
            metrics = {"top_1": 0.0, "loss": 0.0, "num_examples": 0}
            return Evaluation(metrics=metrics, stores={})

    trained, disk = _train(_Nobody(), rounds=2, patience=1)
    assert (trained.progress.round_num, trained.progress.best_round) == (2, 0)
    assert "eval/top_1" not in disk.released[1]
