"""One connection of a store, from hello to goodbye."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from absl import logging

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_faults import CallFailed, LinkFault, PeerFault
from tff_retail.transport.link_frames import Frame, Kind, LinkState
from tff_retail.transport.link_handler import LinkHandler
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import LinkEvent, ResultAnnounced
from tff_retail.transport.link_pump import LinkPump
from tff_retail.transport.packed_line import PackedLine
from tff_retail.transport.store_protocol import StoreProtocol

# gRPC status code, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_INTERNAL = 13


class Attendance:
    """Hands what comes to the handler, and its answers back.

    Args:
      hello: what the store says of itself.
      handler: what it makes of what comes.
      limits: of what is taken from headquarters.
      read: the next message; None at the end of the stream.
      write: returns when the stream has taken the message.

    Attributes:
      has_joined: whether headquarters welcomed the store.
    """

    def __init__(
        self,
        hello: Hello,
        handler: LinkHandler,
        limits: LinkLimits,
        *,
        read: Callable[[], Awaitable[bytes | bytearray | None]],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self.has_joined = False
        self._hello = hello
        self._handler = handler
        self._limits = limits
        self._reason = ""
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._memory = BodyMemory(limits.max_spare_bytes)
        line = PackedLine(write)
        self._protocol = StoreProtocol(limits, self._memory, line.pack)
        self._pump = LinkPump(
            self._protocol,
            read=read,
            write=line.write,
            take=self._take,
            farewell_s=limits.farewell_s,
        )
        self._link = HeadquartersLink(self._protocol, self._pump.wake)
        self._takes: Mapping[Kind, Callable[[Frame], Awaitable[None]]] = {
            Kind.WELCOME: self._take_welcome,
            Kind.REFUSED: self._take_refused,
            Kind.GOODBYE: self._take_goodbye,
            Kind.MANIFEST: self._take_manifest,
            Kind.CONTENT: self._take_content,
            Kind.CALL: self._take_call,
            Kind.CANCEL: self._take_cancel,
            Kind.ACKNOWLEDGE: self._take_acknowledge,
            Kind.MODEL: self._take_model,
            Kind.COUNTERSIGNED: self._take_countersigned,
        }

    async def run(self) -> str:
        """Runs until either end closes the link, and cancels the calls that are left.

        Returns:
          Why it ended, one sentence; '' if headquarters never answered.

        Raises:
          LinkFault: headquarters broke a rule.
          Exception: what `read`, `write` and the handler raise.
        """
        self._protocol.send(self._hello.to_frame())
        late = asyncio.get_running_loop().call_later(self._limits.hello_s, self._end_unwelcomed)
        try:
            await self._pump.run()
        finally:
            late.cancel()
            await self._end_calls()
        return self._reason

    def stop(self, reason: str) -> None:
        """Says goodbye; `run` returns soon."""
        self._reason = reason
        self._link.goodbye(reason)
        self._pump.wake()

    def _end_unwelcomed(self) -> None:
        if not self.has_joined:
            self._pump.give_up()

    async def _end_calls(self) -> None:
        tasks = list(self._calls.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, event: LinkEvent) -> None:
        assert not isinstance(event, ResultAnnounced)  # only stores give results
        await self._takes[event.kind](event)

    async def _take_welcome(self, frame: Frame) -> None:
        if frame.header["version"] not in self._hello.versions:
            raise PeerFault("Headquarters must choose a version that the store speaks")
        self.has_joined = True
        self._reason = "Headquarters closed the connection"
        await self._handler.joined(self._link, frame.header["run"])

    async def _take_refused(self, frame: Frame) -> None:
        self._reason = f"Headquarters refused this store: {frame.header['sentence']}"

    async def _take_goodbye(self, frame: Frame) -> None:
        self._reason = f"Headquarters said goodbye: {frame.header['reason']}"

    async def _take_manifest(self, frame: Frame) -> None:
        await self._handler.take_manifest(self._link, frame.header["digest"], frame.view)

    async def _take_content(self, frame: Frame) -> None:
        digest = frame.header["digest"]
        if not self._link.expects(digest):
            raise PeerFault("A content must have been asked for")
        await self._handler.take_content(self._link, digest, frame.view)

    async def _take_call(self, frame: Frame) -> None:
        number = frame.header["number"]
        task = asyncio.create_task(self._answer(frame))
        self._calls[number] = task
        task.add_done_callback(lambda done: self._calls.pop(number, None))

    async def _take_cancel(self, frame: Frame) -> None:
        task = self._calls.get(frame.header["number"])
        if task is not None:
            task.cancel()

    async def _take_acknowledge(self, frame: Frame) -> None:
        await self._handler.take_acknowledgement(frame.header["run"], frame.header["round"])

    async def _take_countersigned(self, frame: Frame) -> None:
        await self._handler.take_countersigned(frame.header)

    async def _take_model(self, frame: Frame) -> None:
        header = frame.header
        await self._handler.take_model(
            header["name"], header["digest"], header["signature"], frame.view
        )

    async def _answer(self, frame: Frame) -> None:
        number = frame.header["number"]
        try:
            body = await self._handler.call(frame.header["method"], frame.view)
            if self._protocol.state is LinkState.ATTENDING:
                self._protocol.answer(number, body, lambda: self._free_soon(frame.view))
        except CallFailed as failure:
            self._fail(number, failure.code, failure.reason)
        except LinkFault as fault:
            self.stop(str(fault))
        except Exception:
            logging.exception("A call failed")
            self._fail(number, _INTERNAL, "The store's program failed; its log says more")
        self._pump.wake()

    def _free_soon(self, body: memoryview) -> None:
        """Once the answer, which may refer to the call's body, is forgotten."""
        asyncio.get_running_loop().call_soon(self._memory.give_back, body)

    def _fail(self, number: int, code: int, reason: str) -> None:
        if self._protocol.state is LinkState.ATTENDING:
            printable = "".join(c for c in reason[:500] if c.isprintable())
            self._protocol.fail(number, code, printable)
