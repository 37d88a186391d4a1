"""The store link without input and output: what either end may send, and what it makes of the rest.

Modelled on h11. Each end holds its half of the protocol and passes on the messages that it gives;
who moves them, a gRPC stream or a test, is none of its concern. `FRAMES` says which frame may come
when. What a table can't say stands in `HeadquartersProtocol` and `StoreProtocol`:

* Headquarters numbers what it opens. Each call ends with exactly one `failed` or complete `result`,
  even one that was cancelled, so that both ends always agree on how many are open.
* A large result waits at the store for `proceed`, so that headquarters never holds what it has no
  room for.
* The body of a call ends with its last byte or with a `cancel`.
* The end of the link, by `refused` or `goodbye`, overtakes whatever waits.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.frame_rate import FrameRate
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import (
    FRAMES,
    MAX_BODY_BYTES,
    Buffer,
    Frame,
    Kind,
    LinkState,
    Side,
    decode_frame,
)
from tff_retail.transport.link_inbox import LinkInbox
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_outbox import LinkOutbox, Pack

# They open nothing and answer nothing asked for, so that only their rate bounds them.
_COUNTED = frozenset(FRAMES) - {Kind.CALL, Kind.RESULT, Kind.FAILED, Kind.PART, Kind.PACKED}

# What changes more than the state: there is a method for each.
_SENT_BY_METHODS = frozenset({Kind.PART, Kind.PACKED, Kind.FAILED, Kind.CANCEL, Kind.PROCEED})


@dataclasses.dataclass(frozen=True)
class ResultAnnounced:
    """A store has a result that is too large to be sent unasked; it waits for `proceed`.

    Attributes:
      number: of the call.
      size: bytes of the result.
    """

    number: int
    size: int


LinkEvent: TypeAlias = Frame | ResultAnnounced


class LinkProtocol:
    """What both ends of a link have in common.

    Args:
      side: which end.
      limits: of what is taken from the other end.
      memory: for the bodies that come.
      part_bytes: gives the size of the next part of a body that is sent.
      pack: see `LinkOutbox`.
    """

    def __init__(
        self,
        side: Side,
        limits: LinkLimits,
        memory: BodyMemory,
        part_bytes: Callable[[], int] = lambda: MAX_BODY_BYTES,
        pack: Pack | None = None,
    ) -> None:
        self._side = side
        self._limits = limits
        self._state = LinkState.OPENING
        self._version = 1  # until both ends know which one they speak
        self._rate = FrameRate(limits.frames_per_second, limits.frame_burst)
        self._outbox = LinkOutbox(limits.max_waiting_frames, part_bytes, pack)
        # Twice, for a call that failed early is not open any more while the rest of it comes.
        self._inbox = LinkInbox(
            max_open=2 * limits.max_calls,
            max_transfer_bytes=limits.max_transfer_bytes,
            memory=memory,
        )
        self._last_number = 0
        # How this end takes a kind of frame; one that is not named here is passed on as it came.
        self._takes: Mapping[Kind, Callable[[Frame], list[LinkEvent]]] = {}

    @property
    def state(self) -> LinkState:
        """Where the link is."""
        return self._state

    @property
    def version(self) -> int:
        """That both ends speak; 1 until `welcome` said which."""
        return self._version

    def send(self, frame: Frame) -> None:
        """Queues a frame without a body.

        Raises:
          LocalFault: it may not be sent by this end, now, or at all.
          PeerFault: the other end reads nothing.
        """
        self._check_ours(frame.kind)
        rule = FRAMES[frame.kind]
        if rule.opens_transfer or frame.kind in _SENT_BY_METHODS:
            raise LocalFault(f"`{frame.kind.name.lower()}` has a method of its own")
        if rule.then is LinkState.CLOSED:
            self._outbox.clear()
        self._outbox.put(frame)
        self._follow(frame)

    def next_message(self) -> bytes | None:
        """Takes the next message to write; None if there is nothing to send."""
        return self._outbox.next_message()

    def receive(self, message: Buffer, now_s: float) -> list[LinkEvent]:
        """Takes a message of the other end.

        Args:
          message: as it came.
          now_s: of a monotonic clock.

        Returns:
          What came of it, in order: frames, those that open a transfer once with their whole body,
          and `ResultAnnounced`. Nothing once the link is closed.

        Raises:
          PeerFault: the other end broke a rule; the link is of no more use.
        """
        if self._state is LinkState.CLOSED:
            return []
        frame = decode_frame(message)
        self._check_theirs(frame.kind)
        if frame.kind in _COUNTED:
            self._rate.count(now_s)
        self._follow(frame)
        take = self._takes.get(frame.kind)
        return [frame] if take is None else take(frame)

    def _follow(self, frame: Frame) -> None:
        self._state = FRAMES[frame.kind].then or self._state
        if frame.kind is Kind.WELCOME:
            self._version = frame.header["version"]

    def _check_ours(self, kind: Kind) -> None:
        rule = FRAMES[kind]
        if rule.since > self._version:
            raise LocalFault(f"`{kind.name.lower()}` is not in version {self._version} of the link")
        if self._side not in rule.sides or self._state not in rule.states:
            raise LocalFault(
                f"`{kind.name.lower()}` must not be sent by {self._side.value} while the link is "
                f"{self._state.value}"
            )

    def _check_theirs(self, kind: Kind) -> None:
        rule, other = FRAMES[kind], self._side.other
        if rule.since > self._version:
            raise PeerFault(f"`{kind.name.lower()}` is not in version {self._version} of the link")
        if other not in rule.sides or self._state not in rule.states:
            raise PeerFault(
                f"`{kind.name.lower()}` must not come from {other.value} while the link is "
                f"{self._state.value}"
            )


def whole_frame(frame: Frame | None) -> list[LinkEvent]:
    """The event of a body that is complete; none while it is not."""
    return [] if frame is None else [frame]
