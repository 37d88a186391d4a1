"""What a released model gets right, and what it takes for what."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tff_retail.config import ConfigurationError
from tff_retail.learning.confidence_histogram import ConfidenceHistogram, count_confidence

if TYPE_CHECKING:
    from tff_retail.program.released_model import ReleasedModel

# A probability of 0 for the right label would make the loss infinite; float32 ends near 1e-38.
_LEAST_PROBABILITY = 1e-7


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What the model said of every photograph, in the order of the batches, n of them.

    Attributes:
      wanted: int [n], the right labels; -1 where the model has no such label.
      given: int [n], the labels of the best probability.
      confidence: float32 [n], that probability.
    """

    wanted: np.ndarray
    given: np.ndarray
    confidence: np.ndarray

    @property
    def is_known(self) -> np.ndarray:
        """bool [n], whether the model has the photograph's label."""
        return self.wanted >= 0

    @property
    def is_right(self) -> np.ndarray:
        """bool [n]."""
        return self.wanted == self.given


_NO_ANSWERS = Answers(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))


@dataclasses.dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """Counts over all photographs whose label the model knows.

    Attributes:
      labels: names by label index, L of them.
      confusion: int64 [L, L], photographs by (their label, the label the model gave).
      num_top_5: photographs whose label is among the five best.
      loss: mean cross-entropy in nats.
      unknown_labels: photographs left out because the model has no such label, by label.
      answers: of the photographs in the batches, those of other labels among them.
    """

    labels: tuple[str, ...]
    confusion: np.ndarray
    num_top_5: int
    loss: float
    unknown_labels: Mapping[str, int]
    answers: Answers = _NO_ANSWERS

    @property
    def num_examples(self) -> int:
        """Photographs that count."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share whose best label is right."""
        return float(np.trace(self.confusion)) / self.num_examples

    @property
    def top_5(self) -> float:
        """Share whose label is among the five best."""
        return self.num_top_5 / self.num_examples

    @property
    def confidence(self) -> ConfidenceHistogram:
        """How sure the model is of photographs whose label it knows."""
        answers, is_known = self.answers, self.answers.is_known
        return count_confidence(answers.confidence[is_known], answers.is_right[is_known])


@dataclasses.dataclass(frozen=True)
class LabelResult:
    """One label's line in the table; None where there is nothing to divide by.

    Attributes:
      precision: share of the photographs given this label that have it.
      recall: share of the photographs with this label that were given it.
      support: photographs with this label.
    """

    label: str
    precision: float | None
    recall: float | None
    support: int


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Photographs of one label taken for another; `share` is of the photographs of `label`."""

    label: str
    taken_for: str
    count: int
    share: float


def evaluate_model(
    model: "ReleasedModel",
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    labels: Sequence[str],
    unknown_labels: Mapping[str, int] = MappingProxyType({}),
) -> ModelEvaluation:
    """Runs the model over labelled photographs.

    Args:
      model: takes images of its `image_size`.
      batches: images uint8 [b, S, S, 3] and their labels int32 [b], positions in `labels`.
      labels: names of the photographs' labels; the model may know more or fewer.
      unknown_labels: photographs already left out because the model has no such label.

    Raises:
      ConfigurationError: the model knows the label of none of them.
    """
    of_model = {label: index for index, label in enumerate(model.labels)}
    positions = np.array([of_model.get(label, -1) for label in labels])
    confusion = np.zeros((len(of_model), len(of_model)), np.int64)
    unknown = Counter(unknown_labels)
    num_top_5, loss = 0, 0.0
    answers = [_NO_ANSWERS]
    for images, found in batches:
        is_known = positions[found] >= 0
        unknown.update(labels[label] for label in found[~is_known])
        probabilities = model.predict(images)
        given, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        answers.append(Answers(positions[found], given, confidence))
        wanted, probabilities = positions[found[is_known]], probabilities[is_known]
        np.add.at(confusion, (wanted, given[is_known]), 1)
        of_wanted = probabilities[np.arange(len(wanted)), wanted]
        num_top_5 += int(np.sum(np.sum(probabilities > of_wanted[:, None], axis=1) < 5))
        loss -= float(np.sum(np.log(np.maximum(of_wanted, _LEAST_PROBABILITY))))
    total = int(confusion.sum())
    if total == 0:
        raise ConfigurationError(
            "--model must know labels of the photographs, found photographs only of "
            f"{_names(unknown)}, while it knows {_names(model.labels)}; name the right model"
        )
    return ModelEvaluation(
        model.labels, confusion, num_top_5, loss / total, dict(unknown), _joined(answers)
    )


def label_results(evaluation: ModelEvaluation) -> list[LabelResult]:
    """Precision, recall and support of every label, in the order of the labels."""
    support = evaluation.confusion.sum(axis=1)
    given = evaluation.confusion.sum(axis=0)
    right = np.diagonal(evaluation.confusion)
    return [
        LabelResult(
            label,
            precision=float(right[index] / given[index]) if given[index] else None,
            recall=float(right[index] / support[index]) if support[index] else None,
            support=int(support[index]),
        )
        for index, label in enumerate(evaluation.labels)
    ]


def worst_confusions(evaluation: ModelEvaluation, *, limit: int = 10) -> list[Confusion]:
    """The most frequent mistakes, the most frequent first; ties in the order of the labels."""
    wrong = evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    support = evaluation.confusion.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(position), len(wrong)) for position in order]
    return [
        Confusion(
            evaluation.labels[row],
            evaluation.labels[column],
            count=int(wrong[row, column]),
            share=float(wrong[row, column] / support[row]),
        )
        for row, column in pairs
        if wrong[row, column]
    ]


def _joined(answers: Sequence[Answers]) -> Answers:
    return Answers(
        *(
            np.concatenate([getattr(part, field.name) for part in answers])
            for field in dataclasses.fields(Answers)
        )
    )


def _names(labels: Iterable[str]) -> str:
    names = list(labels)
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
