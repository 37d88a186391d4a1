"""The states of the rounds that evaluated best, on disk until the run's model is written."""

import io
import os
import pathlib
from collections.abc import Sequence

import numpy as np

# A run that is killed goes on from one of the last two checkpoints, and what was best then must
# still be there: rounds that were better since may not come out better again on a GPU.
_KEPT = 3


class BestWeights:
    """One file for each round that was better than all before it; the last few are kept.

    A round's file is written before its checkpoint. A run killed in between does the round again
    and writes the file again.

    Args:
      folder: of the files.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def save(self, round_num: int, state: Sequence[np.ndarray]) -> None:
        """Keeps the state of a round, whole or not at all.

        Raises:
          OSError: the disk is full or can't be written.
        """
        self._folder.mkdir(exist_ok=True)
        temporary = self._folder / "unfinished.npz"
        # In memory first: an archive on a full disk complains once more when it is collected.
        buffer = io.BytesIO()
        np.savez(buffer, **{f"{number:05}": leaf for number, leaf in enumerate(state)})
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(round_num))
        for old in sorted(self._folder.glob("round_*.npz"))[:-_KEPT]:
            old.unlink()

    def load(self, round_num: int) -> list[np.ndarray]:
        """The state of a round.

        Raises:
          FileNotFoundError: it was not kept.
        """
        with np.load(self._path(round_num), allow_pickle=False) as arrays:
            return [arrays[name] for name in sorted(arrays.files)]

    def _path(self, round_num: int) -> pathlib.Path:
        return self._folder / f"round_{round_num:06}.npz"
