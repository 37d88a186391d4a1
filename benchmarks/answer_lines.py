"""Lines from a process, each within a time limit."""

import os
import selectors
import time

_CHUNK_BYTES = 65536


class AnswerLines:
    """What a process writes to a pipe, line by line.

    Args:
      file: the pipe's file descriptor, which nothing else reads.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._unread = b""

    def next_line(self, limit_s: float) -> str | None:
        """The next line without its end; None where the process has closed the pipe.

        Raises:
          TimeoutError: none came in `limit_s`.
        """
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._unread:
            if not self._wait(deadline - time.monotonic()):
                raise TimeoutError(f"no line in {limit_s:.0f} s")
            chunk = os.read(self._file, _CHUNK_BYTES)
            if not chunk:
                return None
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("utf-8", errors="replace")

    def _wait(self, limit_s: float) -> bool:
        if limit_s <= 0:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._file, selectors.EVENT_READ)
            return bool(selector.select(limit_s))
