"""Counts photographs for whoever shows a progress bar."""

from collections.abc import Callable


class ProgressCount:
    """Tells `on_progress` (done, total) at the start and after each photograph.

    Args:
      total: photographs in all.
      on_progress: None to tell nobody.
    """

    def __init__(self, total: int, on_progress: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._done = 0
        self._on_progress = on_progress
        self._tell()

    def add_one(self) -> None:
        """One more photograph is done."""
        self._done += 1
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)
