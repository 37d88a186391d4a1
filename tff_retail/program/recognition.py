"""Names the products on photographs, a batch at a time."""

import concurrent.futures
import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from datasets.image_decoding import UnreadablePhotograph, decode_photograph

if TYPE_CHECKING:
    from tff_retail.program.released_model import ReleasedModel

# Images decoded and held at once: the network's own batch, and a bound on memory.
_BATCH_SIZE = 32
# Decoding leaves Python's lock, and takes longer than a small network does.
_NUM_DECODERS = 2


@dataclasses.dataclass(frozen=True)
class Recognition:
    """What a photograph shows.

    Attributes:
      path: the photograph.
      best: the best labels with their scores, best first; empty where it can't be read.
      error: why it can't be read, or None.
      is_unknown: whether the best score is below the threshold, so that the photograph rather
        shows none of the products that the model knows.
    """

    path: str
    best: tuple[tuple[str, float], ...]
    error: str | None = None
    is_unknown: bool = False


def recognize_photographs(
    model: "ReleasedModel",
    paths: Sequence[str],
    *,
    top_k: int = 1,
    unknown_threshold: float | None = None,
) -> Iterator[Recognition]:
    """One recognition for each path, in the same order; unreadable photographs do not stop it.

    Every photograph is resized exactly as the model was trained.

    Args:
      model: names the products.
      paths: of photographs.
      top_k: labels to name for each.
      unknown_threshold: in [0, 1]; by default the model's own, and 0 where it has none.
    """
    threshold = model.unknown_threshold if unknown_threshold is None else unknown_threshold

    def decode(path: str) -> np.ndarray | str:
        try:
            return decode_photograph(path, model.image_size)
        except UnreadablePhotograph as error:
            return " ".join(str(error).split())  # the reason, on one line

    batches = [paths[start : start + _BATCH_SIZE] for start in range(0, len(paths), _BATCH_SIZE)]
    with concurrent.futures.ThreadPoolExecutor(_NUM_DECODERS) as decoders:
        for batch in batches:
            decoded = list(decoders.map(decode, batch))
            for recognition in _recognize_batch(model, batch, decoded, top_k):
                is_unknown = recognition.error is None and recognition.best[0][1] < (threshold or 0)
                yield dataclasses.replace(recognition, is_unknown=is_unknown)


def _recognize_batch(
    model: "ReleasedModel", paths: Sequence[str], decoded: Sequence[np.ndarray | str], top_k: int
) -> Iterator[Recognition]:
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    probabilities = iter(model.predict(np.stack(images)) if images else ())
    for path, image_or_reason in zip(paths, decoded, strict=True):
        if isinstance(image_or_reason, str):
            yield Recognition(path, (), image_or_reason)
        else:
            yield Recognition(path, _best(next(probabilities), model.labels, top_k))


def _best(
    probabilities: np.ndarray, labels: Sequence[str], top_k: int
) -> tuple[tuple[str, float], ...]:
    """Equal scores in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return tuple((labels[index], float(probabilities[index])) for index in order)
