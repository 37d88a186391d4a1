"""What a released model gets right, and what it takes for what."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tff_retail.config import ConfigurationError

if TYPE_CHECKING:
    from tff_retail.program.released_model import ReleasedModel

# A probability of 0 for the right label would make the loss infinite; float32 ends near 1e-38.
_LEAST_PROBABILITY = 1e-7


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Counts over all photographs whose label the model knows.

    Attributes:
      labels: names by label index, L of them.
      confusion: int64 [L, L], photographs by (their label, the label the model gave).
      num_top_5: photographs whose label is among the five best.
      loss: mean cross-entropy in nats.
      unknown_labels: photographs left out because the model has no such label, by label.
    """

    labels: tuple[str, ...]
    confusion: np.ndarray
    num_top_5: int
    loss: float
    unknown_labels: Mapping[str, int]

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
    model: "ReleasedModel", batches: Iterable[tuple[np.ndarray, list[str]]]
) -> Evaluation:
    """Runs the model over labelled photographs.

    Args:
      model: takes images of its `image_size`.
      batches: images uint8 [b, S, S, 3] and the label names of each.

    Raises:
      ConfigurationError: the model knows the label of none of them.
    """
    positions = {label: index for index, label in enumerate(model.labels)}
    confusion = np.zeros((len(positions), len(positions)), np.int64)
    unknown: Counter[str] = Counter()
    num_top_5, loss = 0, 0.0
    for images, names in batches:
        is_known = np.array([name in positions for name in names], bool)
        unknown.update(name for name in names if name not in positions)
        if not is_known.any():
            continue
        labels = np.array([positions[name] for name in names if name in positions])
        probabilities = model.predict(images[is_known])
        np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
        of_label = probabilities[np.arange(len(labels)), labels]
        num_top_5 += int(np.sum(np.sum(probabilities > of_label[:, None], axis=1) < 5))
        loss -= float(np.sum(np.log(np.maximum(of_label, _LEAST_PROBABILITY))))
    total = int(confusion.sum())
    if total == 0:
        found = ", ".join(list(unknown)[:5]) or "no photograph"
        raise ConfigurationError(
            f"the photographs must have labels that the model knows, found {found}; "
            f"it knows {', '.join(model.labels[:5])}" + (" …" if len(model.labels) > 5 else "")
        )
    return Evaluation(model.labels, confusion, num_top_5, loss / total, dict(unknown))


def label_results(evaluation: Evaluation) -> list[LabelResult]:
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


def worst_confusions(evaluation: Evaluation, *, limit: int = 10) -> list[Confusion]:
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
