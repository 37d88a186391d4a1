"""The address that a store dials while headquarters comes and goes behind it."""

import socket
import threading
import time
from collections.abc import Callable

from tests.integration.small_proxies import Relay


class FrontDoor(Relay):
    """A relay to whichever server is there; who knocks while there is none is kept waiting.

    Attributes:
      bytes_per_s: that pass in each direction; 0 for any number.
      latency_s: that every piece waits.
      spoil_after: bytes in either direction after which `spoil` has its way with a piece, once.
      spoil: what it makes of a piece.
      freeze_after: bytes in either direction after which `passes` is cleared, once.
    """

    def __init__(self):
        self.bytes_per_s = 0
        self.latency_s = 0.0
        self.freeze_after: int | None = None
        self.spoil_after: int | None = None
        self.spoil: Callable[[bytes], bytes] = bytes
        self._changed = threading.Condition()
        self._port: int | None = None
        self._is_closed = False
        super().__init__(0)

    @property
    def address(self) -> str:
        """What the store dials."""
        return f"localhost:{self.port}"

    def open_to(self, address: str) -> None:
        """Lets stores through to a server."""
        with self._changed:
            self._port = int(address.rpartition(":")[2])
            self._changed.notify_all()

    def shut(self) -> None:
        """Keeps whoever comes from now on waiting."""
        with self._changed:
            self._port = None

    def _dial(self) -> socket.socket:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._port is not None or self._is_closed)
                if self._is_closed:
                    raise ConnectionAbortedError
                port = self._port
            try:
                return socket.create_connection(("localhost", port))
            except ConnectionRefusedError:  # that server has ended
                with self._changed:
                    if self._port == port:
                        self._port = None

    def _spoilt(self, received: bytes) -> bytes:
        if self.spoil_after is None or self.moved <= self.spoil_after:
            return received
        self.spoil_after = None
        return self.spoil(received)

    def _delay(self, num_bytes: int) -> None:
        if self.latency_s:
            time.sleep(self.latency_s)
        if self.bytes_per_s:
            time.sleep(num_bytes / self.bytes_per_s)
        if self.freeze_after is not None and self.moved + num_bytes > self.freeze_after:
            self.freeze_after = None
            self.passes.clear()
            self.passes.wait()

    def close(self):
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        super().close()
