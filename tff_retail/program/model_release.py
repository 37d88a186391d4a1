"""The models that a run releases: the best and the last, each with how sure it is."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tff_retail.learning.confidence_histogram import ConfidenceHistogram
from tff_retail.program.best_weights import BestWeights
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.released_model import save_released_model
from tff_retail.program.training_run import Trained


@dataclasses.dataclass(frozen=True)
class ReleasedConfidence:
    """How sure a released model is of the stores' validation photographs.

    Attributes:
      histogram: None where nothing was counted.
      unknown_threshold: below this probability of the best label `recognize` tells of an unknown
        product; None where nothing was right.
    """

    histogram: ConfidenceHistogram | None = None
    unknown_threshold: float | None = None

    @property
    def ece(self) -> float | None:
        """The expected calibration error."""
        return self.histogram.expected_calibration_error if self.histogram else None

    def to_json(self) -> dict[str, Any] | None:
        """For the run's summary."""
        if self.histogram is None:
            return None
        return {
            "num_examples": int(self.histogram.num_examples.sum()),
            "ece": self.ece,
            "unknown_threshold": self.unknown_threshold,
            "reliability": [dataclasses.asdict(found) for found in self.histogram.reliability()],
        }


def release_models(
    folder: pathlib.Path,
    recogniser: Recogniser,
    trained: Trained,
    *,
    best_weights: BestWeights,
    evaluator: Evaluator | None,
) -> ReleasedConfidence:
    """Writes `model/` and `model_last/`; the confidence returned is that of `model/`.

    Both are evaluated once more, over all stores: what is counted then (`confidence_counts`)
    need not be kept over the rounds.

    Args:
      folder: the run directory.
      recogniser: of the run; its configuration's `unknown_share` is read.
      trained: what came of training.
      best_weights: has the state of the best round, unless that is the last.
      evaluator: of the run; None where there is nothing to evaluate on.
    """
    last = trained.progress.round_num
    best = trained.progress.best_round or last
    states = {last: trained.state}
    if best != last:
        states[best] = best_weights.load(best)
    confidences = {
        round_num: _confidence(evaluator, state, round_num, recogniser.config.unknown_share)
        for round_num, state in states.items()
    }
    for name, round_num in (("model", best), ("model_last", last)):
        save_released_model(
            folder / name,
            model_config=recogniser.config.model,
            labels=recogniser.labels,
            weights=_weights(recogniser, states[round_num]),
            metadata={
                "round": round_num,
                "rounds": last,
                "ece": confidences[round_num].ece,
                "unknown_threshold": confidences[round_num].unknown_threshold,
            },
        )
    return confidences[best]


def _confidence(
    evaluator: Evaluator | None, state: Sequence[np.ndarray], round_num: int, unknown_share: float
) -> ReleasedConfidence:
    if evaluator is None:
        return ReleasedConfidence()
    histogram = evaluator.evaluate(state, round_num).confidence
    if histogram is None:
        return ReleasedConfidence()
    return ReleasedConfidence(histogram, histogram.unknown_threshold(unknown_share))


def _weights(recogniser: Recogniser, state: Sequence[np.ndarray]) -> list[np.ndarray]:
    paths = [leaf.path for leaf in recogniser.forms["train"].initialize.result]
    leaves = dict(zip(paths, state, strict=True))
    return recogniser.whole_weights(recogniser.trained_weights(leaves))
