"""Which model is better, and which store is worst."""

import math

import numpy as np
import pytest

from tff_retail.learning.confidence_histogram import NUM_BINS
from tff_retail.program.evaluation import Evaluation, Evaluator, is_better
from tff_retail.runtime.federated_round import RoundResult
from tff_retail.runtime.plain_collector import Collection, Outcome

NAN = math.nan


@pytest.mark.parametrize(
    "metrics, best, expected",
    [
        ((0.5, 1.0), None, True),
        ((0.5, 1.0), (0.25, 0.5), True),
        ((0.25, 0.5), (0.5, 1.0), False),
        ((0.5, 0.9), (0.5, 1.0), True),
        ((0.5, 1.0), (0.5, 1.0), False),
        ((0.5, NAN), (0.5, 1e30), False),
        ((0.5, 1e30), (0.5, NAN), True),
        ((0.5, math.inf), (0.5, NAN), False),
        ((NAN, NAN), (0.0, NAN), False),
        ((0.0, NAN), (NAN, NAN), True),
        ((NAN, NAN), None, True),
    ],
)
def test_more_right_is_better_and_then_less_loss(metrics, best, expected):
    named = [
        {} if pair is None else dict(zip(("top_1", "loss"), pair, strict=True))
        for pair in (metrics, best)
    ]
    assert is_better(*named) is expected


def _evaluation(**stores):
    reports = {
        name: {"num_examples": count, "top_1": top_1} if count is not None else {}
        for name, (count, top_1) in stores.items()
    }
    return Evaluation(metrics={}, stores=reports)


def test_the_worst_store_has_enough_photographs_to_say_so():
    evaluation = _evaluation(tiny=(4, 0.0), small=(5, 0.4), large=(95, 0.8), closed=(None, 0))
    assert (evaluation.worst_store, evaluation.worst_top_1) == ("small", 0.4)
    assert evaluation.summary == {
        "top_1_weighted": pytest.approx((5 * 0.4 + 95 * 0.8) / 104),
        "top_1_unweighted": pytest.approx(0.4),
        "top_1_worst": 0.4,
    }


def test_every_metric_of_the_stores_has_both_means():
    reports = {
        "north": {"loss": 1.0, "top_1": 0.5, "top_5": 1.0, "num_examples": 10},
        "south": {"loss": 4.0, "top_1": 0.5, "top_5": 0.5, "num_examples": 30},
    }
    assert Evaluation(metrics={}, stores=reports).summary == {
        "loss_weighted": 3.25,
        "loss_unweighted": 2.5,
        "top_1_weighted": 0.5,
        "top_1_unweighted": 0.5,
        "top_5_weighted": 0.625,
        "top_5_unweighted": 0.75,
        "top_1_worst": 0.5,
    }


def test_where_no_store_tells_anything_there_is_no_worst():
    assert _evaluation(closed=(None, 0)).worst_store is None
    assert _evaluation(closed=(None, 0)).summary == {}
    assert _evaluation(tiny=(4, 0.5)).summary == {"top_1_weighted": 0.5, "top_1_unweighted": 0.5}


class _Store:
    def __init__(self, name, top_1, failure=None):
        self.name, self.top_1, self.failure = name, top_1, failure


class _Round:
    """The weights go to the stores; the result is the mean of what the stores are made to say."""

    state_paths = ["aggregator/0", "global_model_weights/trainable/0"]

    def __init__(self, counts=None):
        self.broadcasts = []
        self.counts = counts

    def initial_state(self):
        return [np.array(5), np.array(0)]

    def broadcast(self, state):
        self.broadcasts.append([int(leaf) for leaf in state])
        return state

    def collect(self, stores, request):
        assert (request.role, request.round_num, request.seed) == ("evaluate", 3, 9)
        outcomes = tuple(
            Outcome(store.name, store.failure, {} if store.failure else {"top_1": store.top_1}, 0)
            for store in stores
        )
        return Collection([store.top_1 for store in stores], outcomes)

    def update(self, state, collection):
        path = "client_work/eval/current_round_metrics/top_1"
        other = "client_work/eval/total_rounds_metrics/top_1"
        metrics = {path: np.mean(collection.total), other: np.array(-1.0)}
        if self.counts is not None:
            metrics |= self.counts(len(collection.total))
        return RoundResult(state, metrics)


def _evaluator(federated_round, stores, headquarters=None, said=None):
    return Evaluator(
        federated_round=federated_round,
        training_paths=["global_model_weights/trainable/0", "finalizer/0"],
        stores=lambda: stores,
        say=said.append if said is not None else lambda text: None,
        headquarters=headquarters,
        seed=9,
    )


def test_the_weights_of_training_are_evaluated():
    federated_round = _Round()
    stores = [_Store("north", 0.5), _Store("south", 1.0), _Store("off", 0.0, "off: no disk")]
    said = []
    evaluator = _evaluator(federated_round, stores, said=said)
    evaluation = evaluator.evaluate([np.array(42), np.array(7)], 3)
    assert said == ["round 3: no evaluation of off: no disk"]
    assert federated_round.broadcasts == [[5, 42]]
    assert evaluation.metrics == {"top_1": 0.5}
    assert evaluation.stores == {"north": {"top_1": 0.5}, "south": {"top_1": 1.0}, "off": {}}


def test_where_headquarters_has_a_test_set_it_counts_and_stores_still_tell():
    stores = [_Store("north", 0.5)]
    headquarters = _Store("headquarters", 0.125)
    evaluation = _evaluator(_Round(), stores, headquarters).evaluate([np.array(42), np.array(7)], 3)
    assert evaluation.metrics == {"top_1": 0.125}
    assert evaluation.stores == {"north": {"top_1": 0.5}}


def _sure_of(num_stores):
    """Ten photographs a store at a probability of 0.7, all right."""
    counts = np.zeros(NUM_BINS, np.int64)
    counts[int(0.7 * NUM_BINS) + 1] = 10 * num_stores
    path = "client_work/eval/current_round_metrics/confidence"
    return {f"{path}/num_examples": counts, f"{path}/num_right": counts}


def test_the_calibration_error_is_a_number_among_the_metrics():
    stores = [_Store("north", 0.5), _Store("south", 1.0)]
    state = [np.array(42), np.array(7)]
    evaluation = _evaluator(_Round(_sure_of), stores).evaluate(state, 3)
    assert evaluation.metrics == {"top_1": 0.75, "ece": pytest.approx(0.3, abs=0.002)}
    assert evaluation.confidence.num_examples.sum() == 20
    assert evaluation.stores == {"north": {"top_1": 0.5}, "south": {"top_1": 1.0}}


def test_confidence_is_that_of_the_stores_beside_a_test_set_and_else_of_the_test_set():
    stores, headquarters = [_Store("north", 0.5), _Store("south", 1.0)], _Store("own", 0.125)
    state = [np.array(42), np.array(7)]
    both = _evaluator(_Round(_sure_of), stores, headquarters).evaluate(state, 3)
    assert (both.metrics["top_1"], both.confidence.num_examples.sum()) == (0.125, 20)
    assert _evaluator(_Round(), stores, headquarters).evaluate(state, 3).confidence is None
