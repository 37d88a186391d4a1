"""Evaluates a model federatedly: over all stores, and as each store tells of itself."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tff_retail.learning.confidence_histogram import ConfidenceHistogram
from tff_retail.learning.round_metrics import confidence_histogram, evaluation_metrics
from tff_retail.program.recogniser import evaluation_state
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.store import Store, WorkRequest

# A store with fewer photographs than this to evaluate on is not called the worst: at 4, one
# photograph is a quarter of its accuracy.
_MIN_EXAMPLES_TO_RANK = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model is.

    Attributes:
      metrics: loss, top_1, top_5, num_examples and ece (the expected calibration error), over
        every photograph once: of headquarters' own test set where there is one, else of all stores.
      stores: what each store reports of itself, by name.
      confidence: over the photographs of all stores, or of headquarters where no store has any;
        None where it was not counted.
    """

    metrics: Mapping[str, float]
    stores: Mapping[str, Mapping[str, float]]
    confidence: ConfidenceHistogram | None = None

    @property
    def worst_store(self) -> str | None:
        """The store with the lowest top-1 accuracy, among those with enough photographs."""
        ranked = [
            (report["top_1"], name)
            for name, report in self.stores.items()
            if report.get("num_examples", 0) >= _MIN_EXAMPLES_TO_RANK
        ]
        return min(ranked)[1] if ranked else None

    @property
    def worst_top_1(self) -> float | None:
        """The accuracy of the worst store."""
        worst = self.worst_store
        return None if worst is None else self.stores[worst]["top_1"]

    @property
    def summary(self) -> dict[str, float]:
        """Over the stores' reports: means weighted by examples, unweighted, and the worst top-1."""
        reports = [report for report in self.stores.values() if report]
        counts = [report["num_examples"] for report in reports]
        if not sum(counts):
            return {}
        summary = {}
        for name in (name for name in reports[0] if name != "num_examples"):
            values = [report[name] for report in reports]
            summary[f"{name}_weighted"] = float(np.average(values, weights=counts))
            summary[f"{name}_unweighted"] = float(np.mean(values))
        if self.worst_top_1 is not None:
            summary["top_1_worst"] = self.worst_top_1
        return summary


def is_better(metrics: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Whether one model is better than another: more photographs right, or as many at less loss.

    Args:
      metrics: with `top_1` and `loss`; what is not a number is the worst.
      best: likewise, or empty where there is none yet.
    """
    return not best or _rank(metrics) > _rank(best)


def _rank(metrics: Mapping[str, float]) -> tuple[float, float]:
    rank = metrics["top_1"], -metrics["loss"]
    top_1, gain = (-math.inf if math.isnan(value) else value for value in rank)
    return top_1, gain


class Evaluator:
    """Evaluates states of training.

    Args:
      federated_round: runs a round of federated evaluation.
      training_paths: the paths of the training state's leaves.
      stores: gives those with photographs to evaluate on, that can be asked now.
      headquarters: the test set that headquarters owns, as a store; None where there is none.
      headquarters_round: runs a round of it, where real stores' rounds can't.
      seed: of the run.
      say: told of a store that gave nothing.
    """

    def __init__(
        self,
        *,
        federated_round: FederatedRound,
        training_paths: Sequence[str],
        stores: Callable[[], Sequence[Store]],
        headquarters: Store | None,
        headquarters_round: FederatedRound | None = None,
        seed: int,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._round = federated_round
        self._training_paths = training_paths
        self._stores = stores
        self._headquarters = headquarters
        self._headquarters_round = headquarters_round or federated_round
        self._seed = seed
        self._say = say
        self._first = federated_round.initial_state()

    def evaluate(self, training_state: Sequence[np.ndarray], round_num: int) -> Evaluation:
        """Evaluates the model in a training state.

        Raises:
          WorkStopped: the sessions were closed.
        """
        trained = dict(zip(self._training_paths, training_state, strict=True))
        state = evaluation_state(self._round.state_paths, self._first, trained)
        request = WorkRequest("evaluate", round_num, self._seed, self._round.broadcast(state))
        stores = self._stores()
        sums, reports = self._over(self._round, stores, request, state)
        confidence = confidence_histogram(sums) if stores else None
        if self._headquarters is not None:
            own = [self._headquarters]
            sums, _ = self._over(self._headquarters_round, own, request, state)
            confidence = confidence or confidence_histogram(sums)
        return Evaluation(metrics=_numbers(sums), stores=reports, confidence=confidence)

    def _over(
        self,
        federated_round: FederatedRound,
        stores: Sequence[Store],
        request: WorkRequest,
        state: list[np.ndarray],
    ) -> tuple[Mapping[str, np.ndarray], dict[str, Mapping[str, float]]]:
        collection = federated_round.collect(stores, request)
        for outcome in collection.outcomes:
            if outcome.failure is not None:
                self._say(f"round {request.round_num}: no evaluation of {outcome.failure}")
        result = federated_round.update(state, collection)
        reports = {outcome.store: outcome.report for outcome in collection.outcomes}
        return result.metrics, reports


def _numbers(metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The numbers of an evaluation, with the calibration error where it was counted."""
    numbers = {
        name: np.asarray(value).item() for name, value in evaluation_metrics(metrics).items()
    }
    counted = confidence_histogram(metrics)
    error = counted.expected_calibration_error if counted else None
    return numbers if error is None else {**numbers, "ece": error}
