"""How many examples a store trains on at a time, where that is bounded by its own machine."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator

from tff_retail.config.store_config import AUTO_BATCH_SIZE
from tff_retail.program.process_memory import ProcessMemory
from tff_retail.transport.private_file import write_private_file

# Of the memory that there is: other programs of the machine grow too, and a step's memory is
# foretold from that of a step of half its size.
_SHARE_OF_ROOM = 0.8


class FittedBatch:
    """The batch size of one graph on this machine, found once and kept.

    It only ever falls: out of memory halves it, in this process or by the end of the one before.

    Args:
      path: of the file that keeps it; removing it has it found anew.
      most: the manifest's batch size.
      wanted: the operator's bound, or `auto` to have it measured; None for the manifest's.
      was_killed: whether the process before this one was killed, as for want of memory.
      say: told where it falls.

    Attributes:
      size: examples in a batch; None where it must be measured first.
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        most: int,
        wanted: int | str | None,
        was_killed: bool,
        say: Callable[[str], None],
    ) -> None:
        self._path, self._say, self._is_kept = path, say, wanted is not None
        self.most = min(most, wanted) if isinstance(wanted, int) else most
        self._found_for = {"wanted": wanted, "most": self.most}
        kept = self._read() if self._is_kept else {}
        self.size: int | None = kept.get("size", None if wanted == AUTO_BATCH_SIZE else self.most)
        at_work = kept.get("at_work")
        if at_work is not None and was_killed:
            self.size = at_work
            self.halve()

    def halve(self) -> bool:
        """Halves it, if that is allowed and it is not one; whether it did."""
        if not self._is_kept or self.size in (None, 1):
            return False
        assert self.size is not None
        before = self.size
        self.size = before // 2
        self._say(
            f"out of memory: training goes on with {self.size} examples at a time, which were "
            f"{before}"
        )
        self._keep(None)
        return True

    @contextlib.contextmanager
    def at_work(self, size: int | None = None) -> Iterator[None]:
        """Notes meanwhile what is at work, the present size or another, for who is there after a
        kill."""
        if not self._is_kept:
            yield
            return
        self._keep(size or self.size)
        try:
            yield
        finally:
            self._keep(None)

    def measure(
        self, step_s: Callable[[int], float | None], memory: ProcessMemory, *, max_step_s: float
    ) -> None:
        """Finds the manifest's size, or the largest power of two whose step fits.

        Args:
          step_s: makes a step of so many examples and gives its seconds; None for out of memory.
          memory: of this process.
          max_step_s: of one step.
        """
        with self.at_work(1):
            step_s(1)  # a first step pays for the graph
        before, room = memory.used_bytes(), memory.room_bytes() * _SHARE_OF_ROOM
        fitting, grown = 1, 0.0
        for size in _sizes(self.most):
            if grown * size / fitting > room:
                break
            memory.forget_peak()
            with self.at_work(size):
                seconds = step_s(size)
            if seconds is None or seconds > max_step_s:
                break
            fitting, grown = size, float(memory.peak_bytes() - before)
        self.size = fitting
        self._keep(None)
        self._say(f"training takes {fitting} of the run's {self.most} examples at a time")

    def _read(self) -> dict[str, int | None]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        values = {name: found.get(name) for name in ("size", "at_work")}
        # Found for another bound, it says nothing.
        is_of_use = all(found.get(name) == value for name, value in self._found_for.items())
        return values if is_of_use and all(map(self._may_be, values.values())) else {}

    def _may_be(self, size: object) -> bool:
        return size is None or (type(size) is int and 1 <= size <= self.most)

    def _keep(self, at_work: int | None) -> None:
        values = {**self._found_for, "size": self.size, "at_work": at_work}
        with contextlib.suppress(OSError):  # what can't be kept is found again
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(self._path, json.dumps(values).encode())


def _sizes(most: int) -> list[int]:
    return [*(2**n for n in range(most.bit_length()) if 2**n < most), most]
