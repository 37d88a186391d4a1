"""The state of the round that evaluated best, on disk until the run's model is written."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np


class BestWeights:
    """One file, replaced by each better round.

    It is written before the round's checkpoint. A run killed in between does the round again and
    writes the same file again.

    Args:
      path: of the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def save(self, round_num: int, state: Sequence[np.ndarray]) -> None:
        """Keeps the state of a round, whole or not at all.

        Raises:
          OSError: the disk is full or can't be written.
        """
        temporary = self._path.with_suffix(".tmp.npz")
        arrays = {f"{number:05}": leaf for number, leaf in enumerate(state)}
        with temporary.open("wb") as file:
            np.savez(file, round_num=np.int64(round_num), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def load(self) -> list[np.ndarray]:
        """The kept state.

        Raises:
          FileNotFoundError: nothing was saved.
        """
        with np.load(self._path, allow_pickle=False) as arrays:
            return [arrays[name] for name in sorted(arrays.files) if name != "round_num"]
