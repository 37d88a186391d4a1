"""Packs what a store sends where its line is slow enough for that to pay, and only there.

zlib packs some 45 MB/s and saves a fifth of an update in bfloat16: on a line above 9 MB/s the time
for packing is more than the time that it saves.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

from tff_retail.transport.packed_part import pack_part

_PAYS_BELOW_BYTES_PER_S = 9_000_000.0
# Of what is looked at: buffers take the first megabytes in no time, whatever the line. So much is
# packed on any line, which takes a fifth of a second.
_WINDOW_BYTES = 8 * 1024**2
# Small frames say nothing of the line.
_LEAST_BYTES = 32 * 1024


class PackedLine:
    """The way out of one connection.

    Args:
      write: returns when the stream has taken a message, which waits where the line is slow.
      now_s: gives seconds of a monotonic clock.
    """

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._now_s = now_s
        self._num_bytes = 0.0
        self._seconds = 0.0
        self._is_known = False

    async def write(self, message: bytes) -> None:
        """Writes a message, and looks how long that takes."""
        began_s = self._now_s()
        await self._write(message)
        if len(message) >= _LEAST_BYTES:
            self._note(len(message), self._now_s() - began_s)

    def pack(self, part: Sequence[memoryview]) -> bytes | None:
        """The bytes of `part` packed, or None where it is better sent as it is."""
        if self._is_known and self._num_bytes > self._seconds * _PAYS_BELOW_BYTES_PER_S:
            return None
        return pack_part(part)

    def _note(self, num_bytes: int, seconds: float) -> None:
        self._num_bytes += num_bytes
        self._seconds += seconds
        if self._num_bytes >= _WINDOW_BYTES:
            # The past counts less and less: a line may become slower.
            self._is_known = True
            self._num_bytes /= 2
            self._seconds /= 2
