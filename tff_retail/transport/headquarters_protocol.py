"""Headquarters' end of the link protocol: it makes calls and takes results."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import (
    FRAMES,
    MAX_BODY_BYTES,
    MAX_UNASKED_BYTES,
    Buffer,
    Frame,
    Kind,
    LinkState,
    Side,
)
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import (
    LinkEvent,
    LinkProtocol,
    ResultAnnounced,
    whole_frame,
)
from tff_retail.transport.packed_part import unpack_part


@dataclasses.dataclass
class _Call:
    """A call that has not been answered yet."""

    is_sent: bool = False
    is_cancelled: bool = False
    is_result_begun: bool = False


class HeadquartersProtocol(LinkProtocol):
    """Headquarters' end.

    Args:
      limits: of what is taken from the store.
      memory: for the bodies that come; None for fresh memory each time.
      part_bytes: gives the size of the next part of a body that is sent.
    """

    def __init__(
        self,
        limits: LinkLimits,
        memory: BodyMemory | None = None,
        part_bytes: Callable[[], int] = lambda: MAX_BODY_BYTES,
    ) -> None:
        super().__init__(Side.HEADQUARTERS, limits, memory or BodyMemory(0), part_bytes)
        self._calls: dict[int, _Call] = {}
        self._announced: dict[int, Frame] = {}
        self._heads_due = 0
        self._takes = {
            Kind.RESULT: self._take_result,
            Kind.FAILED: self._take_failed,
            Kind.PART: self._take_part,
            Kind.PACKED: self._take_packed,
            Kind.HEAD: self._take_head,
        }

    @property
    def has_room_for_a_call(self) -> bool:
        """Whether one more call may be made."""
        return len(self._calls) < self._limits.max_calls

    def send(self, frame: Frame) -> None:
        """See `LinkProtocol`."""
        super().send(frame)
        if frame.kind is Kind.ACKNOWLEDGE:
            self._heads_due += 1

    def open(
        self,
        kind: Kind,
        header: Mapping[str, Any],
        body: Sequence[Buffer],
        on_sent: Callable[[], None] = lambda: None,
    ) -> int:
        """Queues a manifest, a content, a model or a call, with its body.

        Args:
          kind: of the frame that opens it.
          header: its fields but `number` and `size`.
          body: any buffers, not copied; they must stay as they are until they are sent.
          on_sent: called when the last part was taken.

        Returns:
          The number that was given to it.

        Raises:
          LocalFault: it may not be sent now or at all.
        """
        self._check_ours(kind)
        if not FRAMES[kind].opens_transfer:
            raise LocalFault(f"`{kind.name.lower()}` opens nothing")
        number = self._last_number + 1
        numbered = {"number": number, **header}
        if kind is Kind.CALL:
            self._open_call(number, numbered, body, on_sent)
        else:
            self._outbox.put_transfer(kind, numbered, body, on_sent)
        self._last_number = number
        return number

    def cancel(self, number: int) -> None:
        """Gives a call up, if it is still open: its answer is not wanted any more.

        Raises:
          PeerFault: the store reads nothing.
        """
        call = self._calls.get(number)
        if call is None or call.is_cancelled or self._state is not LinkState.ATTENDING:
            return
        if self._outbox.has_begun(number) is False:
            self._outbox.drop(number)
            del self._calls[number]  # the store never heard of it
            return
        call.is_cancelled = True
        self._announced.pop(number, None)
        self._inbox.discard(number)
        self._send_cancel(number)

    def proceed(self, number: int) -> None:
        """Lets a result come that was announced, unless its call has ended meanwhile.

        Raises:
          PeerFault: the store reads nothing, or there is no memory.
        """
        announced = self._announced.pop(number, None)
        if announced is not None and self._state is LinkState.ATTENDING:
            self._inbox.open(announced)
            self._outbox.put(Frame(Kind.PROCEED, {"number": number}))

    def _open_call(
        self,
        number: int,
        header: Mapping[str, Any],
        body: Sequence[Buffer],
        on_sent: Callable[[], None],
    ) -> None:
        if not self.has_room_for_a_call:
            raise LocalFault(f"At most {self._limits.max_calls} calls may be unanswered")
        call = _Call()

        def note_sent() -> None:
            call.is_sent = True
            on_sent()

        self._outbox.put_transfer(Kind.CALL, header, body, note_sent)
        self._calls[number] = call

    def _send_cancel(self, number: int) -> None:
        self._outbox.drop(number)
        self._outbox.put(Frame(Kind.CANCEL, {"number": number}))

    def _take_result(self, frame: Frame) -> list[LinkEvent]:
        number = frame.header["number"]
        call = self._calls.get(number)
        if call is None or call.is_result_begun:
            raise PeerFault("A result must answer a call that has no answer yet")
        if not (call.is_sent or call.is_cancelled):
            raise PeerFault("A result must not come before the store has the whole call")
        call.is_result_begun = True
        size = frame.header["size"]
        if size <= MAX_UNASKED_BYTES:
            if frame.view.nbytes != size:
                raise PeerFault(f"A result of {size} bytes must come in one frame")
            return self._arrived(number, self._inbox.open(frame, is_kept=not call.is_cancelled))
        if frame.view.nbytes:
            raise PeerFault(f"A result of {size} bytes must wait for `proceed`")
        self._inbox.check_size(size)
        if call.is_cancelled:
            return []  # the store will say that it failed
        self._announced[number] = frame
        return [ResultAnnounced(number, size)]

    def _take_head(self, frame: Frame) -> list[LinkEvent]:
        if not self._heads_due:  # each costs headquarters a signature and a line on its disk
            raise PeerFault("A head must answer an acknowledgement, each one once")
        self._heads_due -= 1
        return [frame]

    def _take_part(self, frame: Frame) -> list[LinkEvent]:
        return self._arrived(frame.header["number"], self._inbox.add(frame))

    def _take_packed(self, frame: Frame) -> list[LinkEvent]:
        if frame.header["number"] not in self._inbox:
            raise PeerFault("A packed part must belong to a body that is on its way")
        return self._take_part(unpack_part(frame))

    def _take_failed(self, frame: Frame) -> list[LinkEvent]:
        number = frame.header["number"]
        if number not in self._calls or self._outbox.has_begun(number) is False:
            raise PeerFault("A failure must answer a call that has no answer yet")
        call = self._calls.pop(number)
        self._announced.pop(number, None)
        self._inbox.forget(number)
        if not (call.is_sent or call.is_cancelled):
            self._send_cancel(number)  # ends the body, so that the store waits for no more of it
        return [] if call.is_cancelled else [frame]

    def _arrived(self, number: int, whole: Frame | None) -> list[LinkEvent]:
        if number not in self._inbox:
            del self._calls[number]
        return whole_frame(whole)
