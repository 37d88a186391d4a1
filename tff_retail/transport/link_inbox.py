"""Bodies on their way in: assembled from parts, never more than was declared."""

import dataclasses
import mmap

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import MIN_PART_BYTES, Frame


@dataclasses.dataclass
class _Arriving:
    """A transfer whose parts come; without a buffer they are dropped."""

    first: Frame
    buffer: mmap.mmap | None
    received: int = 0

    @property
    def size(self) -> int:
        return self.first.header["size"]


class LinkInbox:
    """The transfers that the other end has begun.

    Args:
      max_open: at a time.
      max_transfer_bytes: of one.
      memory: for their bodies.
    """

    def __init__(self, *, max_open: int, max_transfer_bytes: int, memory: BodyMemory) -> None:
        self._memory = memory
        self._max_open = max_open
        self._max_transfer_bytes = max_transfer_bytes
        self._arriving: dict[int, _Arriving] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._arriving

    @property
    def kept_bytes(self) -> int:
        """What all open transfers will take when they are complete."""
        return sum(one.size for one in self._arriving.values() if one.buffer is not None)

    def open(self, first: Frame, *, is_kept: bool = True) -> Frame | None:
        """Takes the frame that opens a transfer.

        Args:
          first: with `number`, `size` and the first bytes.
          is_kept: False if nobody wants the bytes.

        Returns:
          The frame with its whole body once that is complete and kept.

        Raises:
          PeerFault: it is too large, or too many are open.
        """
        number, size = first.header["number"], first.header["size"]
        self.check_size(size)
        if len(self._arriving) >= self._max_open:
            raise PeerFault(f"At most {self._max_open} bodies may be on their way at a time")
        body = first.view
        if body.nbytes == size:
            return first if is_kept else None
        buffer = self._memory.take(size) if is_kept else None
        opening = dataclasses.replace(first, body=())
        self._arriving[number] = _Arriving(opening, buffer)
        return self._add(number, body) if body else None

    def check_size(self, size: int) -> None:
        """Raises `PeerFault` if a body is too large."""
        if size > self._max_transfer_bytes:
            raise PeerFault(
                f"A body must have at most {self._max_transfer_bytes} bytes, has {size}"
            )

    def add(self, part: Frame) -> Frame | None:
        """Takes a `part`; returns and raises as `open` does."""
        number = part.header["number"]
        if number not in self._arriving:
            raise PeerFault("A part must belong to a body that is on its way")
        return self._add(number, part.view)

    def discard(self, number: int) -> None:
        """Drops what has come of a transfer, and what is still to come."""
        if number in self._arriving:
            self._arriving[number].buffer = None

    def forget(self, number: int) -> None:
        """Drops a transfer of which nothing more may come."""
        self._arriving.pop(number, None)

    def _add(self, number: int, body: memoryview) -> Frame | None:
        one = self._arriving[number]
        begin, end = one.received, one.received + body.nbytes
        if end > one.size:
            raise PeerFault(f"A body must have the {one.size} bytes it declared, has more")
        if end < one.size and body.nbytes < MIN_PART_BYTES:
            raise PeerFault(
                f"A part that is not the last must have at least {MIN_PART_BYTES} bytes, has "
                f"{body.nbytes}"
            )
        if one.buffer is not None:
            memoryview(one.buffer)[begin:end] = body
        one.received = end
        if end < one.size:
            return None
        del self._arriving[number]
        if one.buffer is None:
            return None
        return dataclasses.replace(one.first, body=memoryview(one.buffer)[: one.size].toreadonly())
