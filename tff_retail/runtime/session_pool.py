"""Sessions of one graph, one for each thread that runs it at the same time."""

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.store import WorkStopped


class SessionPool:
    """Lends sessions on the least busy device, and makes one where all of a device's are lent.

    Args:
      make: makes a session on a device; further ones there are its twins.
      devices: what sessions are spread over, such as `['/GPU:0', '/GPU:1']`.
    """

    def __init__(self, make: Callable[[str], PartSession], devices: Sequence[str] = ("",)) -> None:
        self._make = make
        self._devices = tuple(devices)
        self._lock = threading.Lock()
        self._idle: dict[str, list[PartSession]] = {device: [] for device in devices}
        self._num_lent: collections.Counter[str] = collections.Counter()
        self._all: list[PartSession] = []
        self._first: dict[str, PartSession] = {}
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
            device = min(self._devices, key=self._load)
            session = self._idle[device].pop() if self._idle[device] else None
            if session is None:
                # Made under the lock: importing graphs in two threads at once gains nothing.
                session = self._new(device)
                self._all.append(session)
            self._num_lent[device] += 1
        try:
            yield session
        finally:
            with self._lock:
                self._num_lent[device] -= 1
                self._idle[device].append(session)

    def close(self) -> None:
        """Ends every session; runs in other threads are cancelled."""
        with self._lock:
            self._is_closed = True
            for session in self._all:
                session.close()

    def _new(self, device: str) -> PartSession:
        if device in self._first:
            return self._first[device].twin()
        self._first[device] = self._make(device)
        return self._first[device]

    def _load(self, device: str) -> tuple[int, bool]:
        """Sessions at work, then whether one would have to be made."""
        return self._num_lent[device], not self._idle[device]
