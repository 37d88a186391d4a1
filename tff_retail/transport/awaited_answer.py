"""What somebody waits for who has called a store."""

import asyncio

from tff_retail.transport.receiving_budget import Reservation


class AwaitedAnswer:
    """An answer that is still to come; made on a running event loop.

    Attributes:
      future: ends with the answer, or with why there is none.
      reservation: the room that the answer takes.
    """

    def __init__(self) -> None:
        self.future: asyncio.Future[memoryview] = asyncio.get_running_loop().create_future()
        self.reservation: Reservation | None = None

    def give(self, answer: memoryview) -> None:
        """The answer has come; nothing if nobody waits any more."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """There will be none; nothing if nobody waits any more."""
        if not self.future.done():
            self.future.set_exception(error)
