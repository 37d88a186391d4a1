"""The photographs of one store, ready to be learned from."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from datasets import pixel_block
from datasets.cached_store import CachedSplit, CachedStore
from datasets.examples import Examples
from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError


@dataclasses.dataclass(frozen=True, eq=False)
class StorePhotographs:
    """One store of a chain; it holds names and digests, never pixels or open files.

    Attributes:
      name: unique in the chain.
      cache_dir: private folder of this store's cache; what is derived from its photographs
        (features of a backbone) may be kept there too and is cleared with it.
      image_size: height and width of the pictures.
      num_labels: labels of the chain; this store may lack some.
    """

    name: str
    cache_dir: pathlib.Path
    image_size: int
    num_labels: int
    _splits: Mapping[str, CachedSplit] = dataclasses.field(repr=False)
    _labels: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    _lock: FileLock | None = dataclasses.field(repr=False)

    def num_examples(self, split: str) -> int:
        """Examples of `split`, which is train or validation."""
        return len(self._labels[split])

    def label_counts(self, split: str) -> np.ndarray:
        """Examples of each label in `split`: int64 [num_labels]."""
        return np.bincount(self._labels[split], minlength=self.num_labels)

    def labels(self, split: str) -> np.ndarray:
        """Labels of the examples of `split`, in the order of `load`: int32 [n]."""
        return self._labels[split]

    def digests(self, split: str) -> np.ndarray:
        """SHA-256 of the photographs of `split`, in the order of `load`: uint8 [n, 32]."""
        return self._splits[split].keys

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """The files that `load` maps."""
        return tuple(split.block for split in self._splits.values() if len(split.keys))

    def without_lock(self) -> "StorePhotographs":
        """The same for another process, by absolute paths; this one must keep its own meanwhile."""
        splits = {
            name: CachedSplit(split.block.absolute(), split.keys, ())
            for name, split in self._splits.items()
        }
        return dataclasses.replace(
            self, cache_dir=self.cache_dir.absolute(), _splits=splits, _lock=None
        )

    def load(self, split: str) -> Examples:
        """The examples of `split`, mapped from the cache anew each time and not kept.

        Raises:
          ConfigurationError: the cache was cleared meanwhile.
        """
        cached = self._splits[split]
        try:
            pixels = pixel_block.map_pixels(cached.block, len(cached.keys), self.image_size)
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"the cache of store {self.name} must stay while a run uses it, found"
                f" {cached.block} gone; start the same command again to make it anew"
            ) from error
        return Examples(
            pixels, self._labels[split], tuple(key.tobytes().hex() for key in cached.keys)
        )


def store_photographs(
    store: CachedStore, positions: Mapping[str, int], image_size: int, lock: FileLock
) -> StorePhotographs:
    """A cached store with labels as numbers.

    Args:
      store: all its labels are in `positions`.
      positions: from a label to its place in the chain's labels.
      image_size: height and width of the cached pictures.
      lock: of the cache, shared; kept as long as the result is.
    """
    labels = {
        split: np.array([positions[label] for label in cached.labels], np.int32)
        for split, cached in store.splits.items()
    }
    return StorePhotographs(
        store.name, store.cache_dir, image_size, len(positions), store.splits, labels, lock
    )
