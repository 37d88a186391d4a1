"""What becomes of an evaluation when unsure answers are called an unknown product."""

import dataclasses

import numpy as np

from tff_retail.program.model_evaluation import ModelEvaluation


@dataclasses.dataclass(frozen=True)
class UnknownCalls:
    """Shares of photographs; None where there is nothing to divide by.

    Attributes:
      threshold: a photograph whose best probability is below it is called unknown.
      called_unknown: of the photographs whose label the model knows.
      right_called_unknown: of those that the model gets right.
      wrong_called_unknown: of those that it gets wrong.
      accuracy_of_rest: share that is right among those not called unknown.
      other_labels_called_unknown: of the photographs whose label the model does not know.
    """

    threshold: float
    called_unknown: float | None
    right_called_unknown: float | None
    wrong_called_unknown: float | None
    accuracy_of_rest: float | None
    other_labels_called_unknown: float | None


def unknown_calls(evaluation: ModelEvaluation, threshold: float) -> UnknownCalls:
    """Applies a threshold in [0, 1] to an evaluation, as `recognize` applies it."""
    answers = evaluation.answers
    is_unknown = answers.confidence < threshold
    is_known, is_right = answers.is_known, answers.is_right
    return UnknownCalls(
        threshold,
        called_unknown=_share(is_unknown, is_known),
        right_called_unknown=_share(is_unknown, is_right),
        wrong_called_unknown=_share(is_unknown, is_known & ~is_right),
        accuracy_of_rest=_share(is_right, is_known & ~is_unknown),
        other_labels_called_unknown=_share(is_unknown, ~is_known),
    )


def _share(holds: np.ndarray, among: np.ndarray) -> float | None:
    return float(holds[among].mean()) if among.any() else None
