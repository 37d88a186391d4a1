"""Which stores of a cohort may be at work at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tff_retail.runtime.store import WorkStopped


class StoreSlots:
    """Lets `parallel` stores work, one for each core, and the last few all at once.

    Five stores on two cores would take three turns, with a core idle in the third. Three that share
    the two cores finish together instead, after the work of two and a half (McNaughton 1959,
    "Scheduling with deadlines and loss functions": with preemption no schedule is shorter).

    Args:
      num_stores: of the cohort.
      parallel: stores at work at the same time.
      parallel_at_end: as many may be at work where no further one waits.
    """

    def __init__(self, num_stores: int, *, parallel: int, parallel_at_end: int) -> None:
        self._condition = threading.Condition()
        self._num_waiting = num_stores
        self._num_working = 0
        self._parallel = parallel
        self._parallel_at_end = parallel_at_end
        self._is_over = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Waits until one more store may work, which it does in this block.

        Raises:
          WorkStopped: it is over.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._is_over or self._has_room())
            if self._is_over:
                raise WorkStopped("No further store is asked.")
            self._num_waiting -= 1
            self._num_working += 1
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._num_working -= 1
                self._condition.notify_all()

    def close(self) -> None:
        """Lets no further store work."""
        with self._condition:
            self._is_over = True
            self._condition.notify_all()

    def _has_room(self) -> bool:
        if self._num_working < self._parallel:
            return True
        return self._num_working + self._num_waiting <= self._parallel_at_end
