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
    """

    path: str
    best: tuple[tuple[str, float], ...]
    error: str | None = None


def recognize_photographs(
    model: "ReleasedModel", paths: Sequence[str], *, top_k: int = 1
) -> Iterator[Recognition]:
    """One recognition for each path, in the same order; unreadable photographs do not stop it.

    Every photograph is resized exactly as the model was trained.
    """

    def decode(path: str) -> np.ndarray | str:
        try:
            return decode_photograph(path, model.image_size)
        except UnreadablePhotograph as error:
            return " ".join(str(error).split())  # the reason, on one line

    batches = [paths[start : start + _BATCH_SIZE] for start in range(0, len(paths), _BATCH_SIZE)]
    with concurrent.futures.ThreadPoolExecutor(_NUM_DECODERS) as decoders:
        for batch in batches:
            yield from _recognize_batch(model, batch, list(decoders.map(decode, batch)), top_k)


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
