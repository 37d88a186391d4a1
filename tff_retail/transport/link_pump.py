"""Moves the messages of a link: one task reads, one writes, over any stream.

The protocol decides what is written next, so a slow end holds back only what is meant for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import Frame, Kind, LinkState
from tff_retail.transport.link_protocol import LinkEvent, LinkProtocol


class LinkPump:
    """One link's two tasks.

    Args:
      protocol: this end.
      read: the next message; None at the end of the stream.
      write: returns when the stream has taken the message.
      take: what to do with what came; nothing more is read until it is done.
      farewell_s: how long the last messages may take.
    """

    def __init__(
        self,
        protocol: LinkProtocol,
        *,
        read: Callable[[], Awaitable[bytes | bytearray | None]],
        write: Callable[[bytes], Awaitable[None]],
        take: Callable[[LinkEvent], Awaitable[None]],
        farewell_s: float,
    ) -> None:
        self._protocol = protocol
        self._read = read
        self._write = write
        self._take = take
        self._farewell_s = farewell_s
        self._has_news = asyncio.Event()
        self._is_over = asyncio.Event()

    def wake(self) -> None:
        """Says that something was queued, or that the link was closed."""
        self._has_news.set()
        if self._protocol.state is LinkState.CLOSED:
            self._is_over.set()

    def give_up(self) -> None:
        """Ends without last words: nobody is there to read them."""
        self._is_over.set()

    async def run(self) -> None:
        """Runs until either end closes the link; what was written last is on its way then.

        Raises:
          PeerFault: the other end broke a rule; it was told goodbye.
          Exception: what `read`, `write` and `take` raise.
        """
        reading = asyncio.create_task(self._read_on())
        writing = asyncio.create_task(self._write_on())
        over = asyncio.create_task(self._is_over.wait())
        tasks = {reading, writing, over}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._say_why(reading)
            if self._protocol.state is LinkState.CLOSED:
                self.wake()
                await asyncio.wait({writing}, timeout=self._farewell_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in (reading, writing):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _say_why(self, reading: "asyncio.Task[None]") -> None:
        """Tells the other end which rule it broke."""
        fault = reading.exception() if reading.done() and not reading.cancelled() else None
        if isinstance(fault, PeerFault) and self._protocol.state is not LinkState.CLOSED:
            self._protocol.send(Frame(Kind.GOODBYE, {"reason": str(fault)[:500]}))

    async def _read_on(self) -> None:
        now_s = asyncio.get_running_loop().time
        while self._protocol.state is not LinkState.CLOSED:
            message = await self._read()
            if message is None:
                return
            for event in self._protocol.receive(message, now_s()):
                await self._take(event)
            self.wake()

    async def _write_on(self) -> None:
        while True:
            message = self._protocol.next_message()
            if message is not None:
                await self._write(message)
            elif self._protocol.state is LinkState.CLOSED:
                return
            else:
                self._has_news.clear()
                await self._has_news.wait()
