"""Labelled photographs to measure a model on: a chain's stores, or headquarters' test set."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from datasets.chain import open_chain
from datasets.evaluation_set import open_evaluation_set
from datasets.photograph_index import INDEX_FILE, PhotographIndex
from datasets.store_listing import printable
from datasets.store_photographs import StorePhotographs
from tff_retail.config import ConfigurationError, DataConfig

# Images held at once: a bound on memory.
_BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationPhotographs:
    """Photographs of one or more stores, decoded to one size.

    Attributes:
      labels: names by label index.
      parts: stores and the splits of them that count.
      unknown_labels: photographs that were left out already, by their label.
      notices: what else was left out, one sentence each.
    """

    labels: tuple[str, ...]
    parts: Sequence[tuple[StorePhotographs, str]]
    unknown_labels: Mapping[str, int]
    notices: tuple[str, ...]

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Some images, uint8 [n, S, S, 3], by their positions in the order of the batches."""
        images = []
        for position in positions:
            store, split, index = self._find(int(position))
            images.append(np.asarray(store.load(split).features[index]))
        return np.stack(images)

    def names(self, positions: np.ndarray) -> list[tuple[str, str]]:
        """Store and path within it of some photographs; without a file, its content's SHA-256."""
        paths: dict[str, Mapping[str, str]] = {}
        names = []
        for position in positions:
            store, split, index = self._find(int(position))
            if store.name not in paths:
                paths[store.name] = PhotographIndex(store.cache_dir / INDEX_FILE).paths()
            key = store.digests(split)[index].tobytes().hex()
            names.append((store.name, printable(paths[store.name].get(key, key))))
        return names

    def _find(self, position: int) -> tuple[StorePhotographs, str, int]:
        for store, split in self.parts:
            count = store.num_examples(split)
            if position < count:
                return store, split, position
            position -= count
        raise IndexError("the position must be of a photograph, found one beyond the last")

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images uint8 [b, S, S, 3] and their labels, int32 [b]."""
        for store, split in self.parts:
            examples = store.load(split)
            for start in range(0, len(examples), _BATCH_SIZE):
                batch = slice(start, start + _BATCH_SIZE)
                yield np.asarray(examples.features[batch]), examples.labels[batch]


def photographs_of_stores(
    data: DataConfig,
    *,
    image_size: int,
    split: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationPhotographs:
    """Photographs of every store of a chain.

    Args:
      data: which chain, where its cache is, and how much of it is for validation.
      image_size: height and width in pixels.
      split: `validation`, `train` or `all`.
      on_progress: called with (photographs done, photographs in all).

    Raises:
      ConfigurationError: the chain can't be read, or has nothing in the split.
    """
    chain = open_chain(data, image_size, on_progress=on_progress)
    splits = ("train", "validation") if split == "all" else (split,)
    parts = [
        (store, name)
        for store, name in itertools.product(chain.stores, splits)
        if store.num_examples(name)
    ]
    if not parts:
        raise ConfigurationError(
            f"--split must name photographs that exist, found none in {split!r}; "
            "try --split=all or a larger --validation_fraction"
        )
    return EvaluationPhotographs(chain.labels, parts, {}, chain.report.notices)


def photographs_of_test_set(
    data: DataConfig,
    *,
    labels: tuple[str, ...],
    image_size: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationPhotographs:
    """Photographs of `data.eval_dir`, those of labels other than `labels` counted and left out.

    Raises:
      ConfigurationError: nothing in it is usable.
    """
    photographs = open_evaluation_set(
        data.eval_dir or "", labels, image_size, data.cache_dir, on_progress=on_progress
    )
    report = photographs.report
    # The evaluation tells of other labels, for chains too: here that is the first notice.
    notices = report.notices[1:] if report.other_labels else report.notices
    return EvaluationPhotographs(
        labels, [(photographs, "validation")], report.other_labels, notices
    )
