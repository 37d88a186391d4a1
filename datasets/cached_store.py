"""Stores whose usable photographs are all in the cache, with labels still as names."""

import dataclasses
import pathlib

import numpy as np

from datasets.chain_report import SkippedFile
from datasets.private_files import FileLock

SPLITS = ("train", "validation")


@dataclasses.dataclass(frozen=True, eq=False)
class CachedSplit:
    """One split of one store in the cache.

    Attributes:
      block: the file of its pixels; there is none where `keys` is empty.
      keys: uint8 [n, 32], SHA-256 of each photograph's file, ascending.
      labels: n names.
    """

    block: pathlib.Path
    keys: np.ndarray
    labels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class CachedStore:
    """A store whose usable photographs are all in the cache."""

    name: str
    cache_dir: pathlib.Path
    splits: dict[str, CachedSplit]
    skipped: tuple[SkippedFile, ...] = ()
    num_repeated: int = 0
    num_ambiguous: int = 0

    @property
    def num_examples(self) -> int:
        """Examples of all splits."""
        return sum(len(split.labels) for split in self.splits.values())


@dataclasses.dataclass(frozen=True, eq=False)
class CachedChain:
    """All stores of a chain in the cache.

    Attributes:
      stores: also those with nothing left.
      labels: set and order where something fixes them, or None.
      num_photographs: files found, before any was left out.
      other_labels: photographs left out for their label, by label.
      root: folder of the chain's cache.
      lock: of that cache, shared; while it is held nothing that is read goes away.
    """

    stores: tuple[CachedStore, ...]
    labels: tuple[str, ...] | None
    num_photographs: int
    other_labels: dict[str, int]
    root: pathlib.Path
    lock: FileLock
