"""What a store learns from, in memory or mapped from its cache."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Examples of one split of one store, in an order that no file system decides.

    Attributes:
      features: uint8 [n, image_size, image_size, 3], RGB (a read-only `np.memmap` that starts
        on a page, when it comes from the cache), or float32 [n, features] of a backbone.
      labels: int32 [n], positions in the chain's labels.
      keys: for each example the SHA-256 of its photograph's file, in hexadecimal.
    """

    features: np.ndarray
    labels: np.ndarray
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)
