"""The store's end of the link protocol: it takes calls and answers them."""

import dataclasses
from collections.abc import Callable, Sequence

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import MAX_UNASKED_BYTES, Buffer, Frame, Kind, Side
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_outbox import Pack
from tff_retail.transport.link_protocol import LinkEvent, LinkProtocol, whole_frame

# gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_CANCELLED, _RESOURCE_EXHAUSTED = 1, 8


@dataclasses.dataclass
class _Call:
    """A call that has not been answered yet."""

    size: int
    is_there: bool = False
    is_result_begun: bool = False


class StoreProtocol(LinkProtocol):
    """The store's end.

    Args:
      limits: of what is taken from headquarters.
      memory: for the bodies that come; None for fresh memory each time.
      pack: see `LinkOutbox`.
    """

    def __init__(
        self, limits: LinkLimits, memory: BodyMemory | None = None, pack: Pack | None = None
    ) -> None:
        super().__init__(Side.STORE, limits, memory or BodyMemory(0), pack=pack)
        self._calls: dict[int, _Call] = {}
        self._heads_told = 0
        self._takes = {
            Kind.CALL: self._take_call,
            Kind.PROCEED: self._take_proceed,
            Kind.CANCEL: self._take_cancel,
            Kind.PART: self._take_part,
            Kind.MANIFEST: self._take_transfer,
            Kind.CONTENT: self._take_transfer,
            Kind.MODEL: self._take_transfer,
            Kind.COUNTERSIGNED: self._take_countersigned,
        }

    def send(self, frame: Frame) -> None:
        """See `LinkProtocol`."""
        super().send(frame)
        if frame.kind is Kind.HEAD:
            self._heads_told += 1

    def answer(
        self, number: int, body: Sequence[Buffer], on_sent: Callable[[], None] = lambda: None
    ) -> None:
        """Queues a call's result; nothing if the call is not open any more.

        Args:
          number: of the call.
          body: any buffers, not copied; they must stay as they are until they are sent.
          on_sent: called when the last part was taken.

        Raises:
          LocalFault: it may not be sent now or at all.
          PeerFault: headquarters reads nothing.
        """
        self._check_ours(Kind.RESULT)
        call = self._calls.get(number)
        if call is None:
            return
        if call.is_result_begun or not call.is_there:
            raise LocalFault("A call must be answered once, when all of it is there")

        def note_sent() -> None:
            self._calls.pop(number, None)
            on_sent()

        self._outbox.put_transfer(
            Kind.RESULT, {"number": number}, body, note_sent, most_unasked=MAX_UNASKED_BYTES
        )
        call.is_result_begun = True

    def fail(self, number: int, code: int, reason: str) -> None:
        """Queues a call's failure; nothing if the call is not open any more.

        Raises:
          LocalFault: it may not be sent now or at all.
          PeerFault: headquarters reads nothing.
        """
        self._check_ours(Kind.FAILED)
        if number in self._calls:
            failed = Frame(Kind.FAILED, {"number": number, "code": code, "reason": reason})
            self._outbox.put(failed)
            self._outbox.drop(number)
            self._inbox.discard(number)
            del self._calls[number]

    def _take_call(self, frame: Frame) -> list[LinkEvent]:
        number, size = frame.header["number"], frame.header["size"]
        self._count_up(number)
        if len(self._calls) >= self._limits.max_calls:
            raise PeerFault(f"At most {self._limits.max_calls} calls may be unanswered")
        has_room = self._held_bytes() + size <= self._limits.max_receiving_bytes
        whole = self._inbox.open(frame, is_kept=has_room)
        self._calls[number] = _Call(size)
        if not has_room:
            most = self._limits.max_receiving_bytes
            self.fail(number, _RESOURCE_EXHAUSTED, f"The store takes {most} bytes at a time")
        return self._arrived(whole)

    def _take_transfer(self, frame: Frame) -> list[LinkEvent]:
        self._count_up(frame.header["number"])
        if self._held_bytes() + frame.header["size"] > self._limits.max_receiving_bytes:
            raise PeerFault(
                f"At most {self._limits.max_receiving_bytes} bytes may be on their way, "
                f"`{frame.kind.name.lower()}` brings {frame.header['size']} more"
            )
        return whole_frame(self._inbox.open(frame))

    def _take_part(self, frame: Frame) -> list[LinkEvent]:
        return self._arrived(self._inbox.add(frame))

    def _take_proceed(self, frame: Frame) -> list[LinkEvent]:
        number = frame.header["number"]
        is_open = number in self._calls  # it may have failed meanwhile
        if number > self._last_number or (is_open and not self._outbox.release(number)):
            raise PeerFault("A proceed must name a result that was announced, once")
        return []

    def _take_cancel(self, frame: Frame) -> list[LinkEvent]:
        number = frame.header["number"]
        if number > self._last_number:
            raise PeerFault("A cancel must name a call that was made")
        is_open = number in self._calls
        self.fail(number, _CANCELLED, "Headquarters gave the call up")
        self._inbox.forget(number)
        return [frame] if is_open else []

    def _take_countersigned(self, frame: Frame) -> list[LinkEvent]:
        if not self._heads_told:
            raise PeerFault("A countersignature must answer a head, each one once")
        self._heads_told -= 1
        return [frame]

    def _arrived(self, whole: Frame | None) -> list[LinkEvent]:
        if whole is not None and whole.kind is Kind.CALL:
            self._calls[whole.header["number"]].is_there = True
        return whole_frame(whole)

    def _count_up(self, number: int) -> None:
        if number <= self._last_number:
            raise PeerFault(f"Numbers must count upwards, {number} came after {self._last_number}")
        self._last_number = number

    def _held_bytes(self) -> int:
        """Of bodies on their way, and of calls until they are answered."""
        at_work = sum(call.size for call in self._calls.values() if call.is_there)
        return at_work + self._inbox.kept_bytes
