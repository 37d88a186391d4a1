"""Partial sums that wait for their neighbour in the tree: some in memory, the others on disk.

A thousand stores that answer in any order leave hundreds of sums waiting: where memory is to stay
constant, they need another place (docs/architecture.md, "The same numbers, bit for bit").
"""

import math
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from tff_retail.runtime.cohort_sums import Leaves, PartialSum


class WaitingSum:
    """A partial sum, wherever it is."""

    def __init__(self, total: PartialSum) -> None:
        leaves = [np.asarray(leaf) for leaf in (*total.accumulator, *total.secure)]
        self.leaves: Leaves | None = leaves
        self.num_accumulator = len(total.accumulator)
        self.shapes = [(leaf.dtype, leaf.shape) for leaf in leaves]
        self.num_bytes = sum(leaf.nbytes for leaf in leaves)
        self.slot: int | None = None


class WaitingSums:
    """Keeps the waiting sums of one round; used by one thread.

    Args:
      join: the sum of two neighbours.
      folder: of the file for what does not fit; it has no name and goes with the process.
      max_bytes: of waiting sums in memory.
    """

    def __init__(
        self,
        join: Callable[[PartialSum, PartialSum], PartialSum],
        folder: pathlib.Path,
        *,
        max_bytes: int,
    ) -> None:
        self._join, self._folder, self._max_bytes = join, folder, max_bytes
        self._in_memory: dict[WaitingSum, None] = {}  # in the order they came
        self._file: BinaryIO | None = None
        self._free: list[int] = []
        self._num_slots = 0

    @property
    def num_bytes(self) -> int:
        """Of the sums in memory."""
        return sum(waiting.num_bytes for waiting in self._in_memory)

    def keep(self, total: PartialSum) -> WaitingSum:
        """Has a sum wait."""
        waiting = WaitingSum(total)
        self._in_memory[waiting] = None
        return waiting

    def join(self, left: WaitingSum, right: WaitingSum) -> WaitingSum:
        """The sum over two neighbours, which wait no more."""
        return self.keep(self._join(self.take(left), self.take(right)))

    def make_room(self) -> None:
        """Writes the oldest sums to disk until the others fit.

        Raises:
          OSError: the disk is full.
        """
        excess = self.num_bytes - self._max_bytes
        for waiting in list(self._in_memory):
            if excess <= 0:
                return
            excess -= waiting.num_bytes
            self._write(waiting)

    def take(self, waiting: WaitingSum) -> PartialSum:
        """A sum that waits no more."""
        self._in_memory.pop(waiting, None)
        leaves = waiting.leaves if waiting.leaves is not None else self._read(waiting)
        waiting.leaves = None  # whoever takes it may let go of it array by array
        cut = waiting.num_accumulator
        return PartialSum(leaves[:cut], leaves[cut:])

    def close(self) -> None:
        """Gives the memory and the disk back."""
        self._in_memory.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, waiting: WaitingSum) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)
        # The sums of a round are all of one size, so a file of equal slots has no holes.
        slot = self._free.pop() if self._free else self._num_slots
        self._num_slots = max(self._num_slots, slot + 1)
        self._file.seek(slot * waiting.num_bytes)
        for leaf in waiting.leaves or ():
            leaf.tofile(self._file)
        waiting.slot, waiting.leaves = slot, None
        del self._in_memory[waiting]

    def _read(self, waiting: WaitingSum) -> Leaves:
        assert self._file is not None and waiting.slot is not None
        self._file.seek(waiting.slot * waiting.num_bytes, os.SEEK_SET)
        self._free.append(waiting.slot)
        return [
            np.fromfile(self._file, dtype, math.prod(shape)).reshape(shape)
            for dtype, shape in waiting.shapes
        ]
