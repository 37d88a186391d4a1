"""How many bytes of results headquarters holds at a time, whatever all stores together have.

A store announces a large result and sends it when there is room. First come, first served, so that
a large result is never passed over for ever; where nothing is held the first one is let in however
large it is.
"""

import collections
from collections.abc import Callable

# What gRPC holds of a body on its way costs, measured, up to 1.5 MB beside the body itself; with
# so many of them lines of 1 MB/s still fill 250 Mbit/s.
_MAX_BODIES = 32


class ReceivingBudget:
    """Bytes that are shared by all links of a server; used on one event loop.

    Args:
      max_bytes: that may be held at a time.
      max_bodies: likewise.
    """

    def __init__(self, max_bytes: int, max_bodies: int = _MAX_BODIES) -> None:
        self._max_bytes = max_bytes
        self._max_bodies = max_bodies
        self._held_bytes = 0
        self._num_held = 0
        self._waiting: collections.deque[Reservation] = collections.deque()

    @property
    def held_bytes(self) -> int:
        """Bytes that are given out."""
        return self._held_bytes

    def ask(self, size: int, on_granted: Callable[[], None]) -> "Reservation":
        """Asks for room, which is to be released in any case.

        Args:
          size: in bytes.
          on_granted: called once there is room, perhaps at once; never after a release.
        """
        reservation = Reservation(self, size, on_granted)
        self._waiting.append(reservation)
        self._serve()
        return reservation

    def _release(self, reservation: "Reservation") -> None:
        if reservation in self._waiting:
            self._waiting.remove(reservation)
        else:
            self._held_bytes -= reservation.size
            self._num_held -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._fits(self._waiting[0].size):
            reservation = self._waiting.popleft()
            self._held_bytes += reservation.size
            self._num_held += 1
            reservation.on_granted()

    def _fits(self, size: int) -> bool:
        has_room = not self._held_bytes or self._held_bytes + size <= self._max_bytes
        return has_room and self._num_held < self._max_bodies


class Reservation:
    """Room for one result, or a place in the queue for it.

    Attributes:
      size: in bytes.
      on_granted: called once there is room.
    """

    def __init__(self, budget: ReceivingBudget, size: int, on_granted: Callable[[], None]) -> None:
        self.size = size
        self.on_granted = on_granted
        self._budget: ReceivingBudget | None = budget

    def release(self) -> None:
        """Gives the room back, or stops to wait for it; a second time does nothing."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget._release(self)
