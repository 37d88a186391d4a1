"""What waits to be sent on a link: small frames first, bodies in turn, a part at a time.

So a cancel never waits behind a body of 100 MB, and a small call not behind a large one.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import Buffer, Frame, Kind, encode_frame

Pack: TypeAlias = Callable[[Sequence[memoryview]], bytes | None]

# A body that was asked for comes in so many parts or more, as long as they have so many bytes: gRPC
# assembles a part in memory beside the body, for every store that sends.
_LEAST_PARTS, _SMALL_PART_BYTES = 8, 64 * 1024


def _nothing() -> None:
    pass


class LinkOutbox:
    """Frames and bodies in the order in which they are to be sent.

    Args:
      max_waiting_frames: small frames that may wait.
      part_bytes: gives the size of the next part, from `MIN_PART_BYTES` to `MAX_BODY_BYTES`.
      pack: makes a part smaller, or gives None where it stays as it is; None packs nothing.
    """

    def __init__(
        self, max_waiting_frames: int, part_bytes: Callable[[], int], pack: Pack | None = None
    ) -> None:
        self._max_waiting_frames = max_waiting_frames
        self._part_bytes = part_bytes
        self._pack = pack
        self._frames: collections.deque[bytes] = collections.deque()
        self._transfers: collections.deque[_Transfer] = collections.deque()
        self._announced: dict[int, _Transfer] = {}

    def put(self, frame: Frame) -> None:
        """Queues a small frame.

        Raises:
          LocalFault: it breaks the table.
          PeerFault: too many wait: the other end reads nothing.
        """
        message = encode_frame(frame)
        if len(self._frames) >= self._max_waiting_frames:
            raise PeerFault(f"The other end must read, {len(self._frames)} frames wait for it")
        self._frames.append(message)

    def put_transfer(
        self,
        kind: Kind,
        header: Mapping[str, Any],
        body: Sequence[Buffer],
        on_sent: Callable[[], None] = _nothing,
        *,
        most_unasked: int | None = None,
    ) -> None:
        """Queues a frame that opens a transfer, and its body.

        Args:
          kind: of the opening frame.
          header: its fields but `size`.
          body: kept until it is sent, copied part by part.
          on_sent: called when the last part was taken.
          most_unasked: of a body with more bytes only the frame that opens it is sent, until
            `release`; None for no such bound.

        Raises:
          LocalFault: the frame breaks the table.
          PeerFault: too many frames wait.
        """
        views = [memoryview(one).cast("B") for one in body if memoryview(one).nbytes]
        size = sum(view.nbytes for view in views)
        first = Frame(kind, {**header, "size": size})
        encode_frame(first)  # a mistake shows here, not in the task that writes
        is_announced = most_unasked is not None and size > most_unasked
        most = max(size // _LEAST_PARTS, _SMALL_PART_BYTES) if is_announced else size
        parts = _parts(views, lambda: min(self._part_bytes(), most))
        transfer = _Transfer(first, parts, size, on_sent, self._pack)
        if not is_announced:
            self._transfers.append(transfer)
        else:
            self.put(first)
            transfer.has_begun = True
            self._announced[transfer.number] = transfer

    def release(self, number: int) -> bool:
        """Sends a body that was only announced; False if there is none of that number."""
        transfer = self._announced.pop(number, None)
        if transfer is not None:
            self._transfers.append(transfer)
        return transfer is not None

    def has_begun(self, number: int) -> bool | None:
        """Whether any byte of a transfer was taken; None if none of that number waits."""
        return next((one.has_begun for one in self._transfers if one.number == number), None)

    def drop(self, number: int) -> None:
        """Forgets what is left of a transfer, if anything is."""
        self._announced.pop(number, None)
        self._transfers = collections.deque(one for one in self._transfers if one.number != number)

    def clear(self) -> None:
        """Forgets all that waits: the link ends."""
        self._frames.clear()
        self._announced.clear()
        self._transfers.clear()

    def next_message(self) -> bytes | None:
        """Takes the next frame to write; None if there is nothing to send."""
        if self._frames:
            return self._frames.popleft()
        if not self._transfers:
            return None
        transfer = self._transfers.popleft()
        message = transfer.next_message()
        if transfer.left:
            self._transfers.append(transfer)
        else:
            transfer.on_sent()
        return message


@dataclasses.dataclass
class _Transfer:
    """A body on its way; `left` counts the bytes that were not taken yet."""

    first: Frame
    parts: Iterator[list[memoryview]]
    left: int
    on_sent: Callable[[], None]
    pack: Pack | None
    has_begun: bool = False

    @property
    def number(self) -> int:
        return self.first.header["number"]

    def next_message(self) -> bytes:
        part = next(self.parts, [])
        size = sum(view.nbytes for view in part)
        self.left -= size
        if not self.has_begun:
            self.has_begun = True
            return encode_frame(Frame(self.first.kind, self.first.header, part))
        packed = None if self.pack is None else self.pack(part)
        if packed is None:
            return encode_frame(Frame(Kind.PART, {"number": self.number}, part))
        return encode_frame(Frame(Kind.PACKED, {"number": self.number, "size": size}, [packed]))


def _parts(
    views: Sequence[memoryview], part_bytes: Callable[[], int]
) -> Iterator[list[memoryview]]:
    """The bytes of all views in pieces of `part_bytes()`, the last one shorter; no copies."""
    part: list[memoryview] = []
    room = part_bytes()
    for view in views:
        while view.nbytes:
            part.append(view[:room])
            view = view[room:]
            room -= part[-1].nbytes
            if not room:
                yield part
                part, room = [], part_bytes()
    if part:
        yield part
