"""The photographs a model gets wrong, the ones it is most sure of first."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from tff_retail.program.evaluation_photographs import EvaluationPhotographs
from tff_retail.program.model_evaluation import ModelEvaluation


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One photograph.

    Attributes:
      store, photograph: where it is: the path within the store's folder, or the SHA-256 of its
        content where it comes from no file.
      label: what it shows.
      taken_for: what the model says.
      score: the probability the model gives that, in [0, 1].
    """

    store: str
    photograph: str
    label: str
    taken_for: str
    score: float


def mistake_positions(evaluation: ModelEvaluation) -> np.ndarray:
    """Positions of the wrong answers, int [m], the surest first; ties in the order they came.

    Photographs whose label the model does not know are no mistakes: it could not be right.
    """
    answers = evaluation.answers
    wrong = np.flatnonzero(answers.is_known & ~answers.is_right)
    return wrong[np.argsort(-answers.confidence[wrong], kind="stable")]


def list_mistakes(
    evaluation: ModelEvaluation, photographs: EvaluationPhotographs, positions: np.ndarray
) -> Iterator[Mistake]:
    """What is to be said of each of some photographs, in the order given.

    Args:
      evaluation: of `photographs`.
      photographs: to name.
      positions: int [m], in the order of `photographs.batches()`.
    """
    answers, labels = evaluation.answers, evaluation.labels
    names = photographs.names(positions)
    for position, (store, photograph) in zip(positions, names, strict=True):
        yield Mistake(
            store,
            photograph,
            label=labels[answers.wanted[position]],
            taken_for=labels[answers.given[position]],
            score=float(answers.confidence[position]),
        )
