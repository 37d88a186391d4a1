"""Sessions of one graph, one for each thread that runs it at the same time."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.store import WorkStopped


class SessionPool:
    """Lends sessions, and makes one where all are lent.

    Args:
      make: makes the session of the given number, counted from 0; the number chooses a device.
    """

    def __init__(self, make: Callable[[int], PartSession]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._idle: list[PartSession] = []
        self._all: list[PartSession] = []
        self._is_closed = False

    @contextlib.contextmanager
    def session(self) -> Iterator[PartSession]:
        """A session that no other thread uses meanwhile.

        Raises:
          WorkStopped: the pool was closed.
        """
        with self._lock:
            if self._is_closed:
                raise WorkStopped("The sessions were closed.")
            session = self._idle.pop() if self._idle else None
            if session is None:
                # Made under the lock: importing graphs in two threads at once gains nothing.
                session = self._make(len(self._all))
                self._all.append(session)
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)

    def close(self) -> None:
        """Ends every session; runs in other threads are cancelled."""
        with self._lock:
            self._is_closed = True
            for session in self._all:
                session.close()
