"""The two tasks of a link over queues in place of a network."""

import asyncio

import pytest

from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import Frame, Kind, LinkState, decode_frame, encode_frame
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_pump import LinkPump

_HELLO = encode_frame(Hello(software="1", tensorflow="2", python="3").to_frame())
_WELCOME = Frame(Kind.WELCOME, {"version": 1, "session": "s", "run": ""})
_GOODBYE = Frame(Kind.GOODBYE, {"reason": "the end"})


class _Ends:
    """A pump of headquarters, and the other end of its stream."""

    def __init__(self, farewell_s=5.0):
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.written: list[Frame] = []
        self.taken: list[Frame] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.protocol = HeadquartersProtocol(LinkLimits())
        self.pump = LinkPump(
            self.protocol,
            read=self.incoming.get,
            write=self._write,
            take=self._take,
            farewell_s=farewell_s,
        )

    async def _write(self, message):
        await self.may_write.wait()
        self.written.append(decode_frame(message))

    async def _take(self, event):
        self.taken.append(event)
        if event.kind is Kind.HELLO:
            self.protocol.send(_WELCOME)


def _run(test):
    async def run():
        tasks_before = asyncio.all_tasks()
        await test(_Ends())
        assert asyncio.all_tasks() == tasks_before

    asyncio.run(run())


def test_what_is_taken_and_written():
    async def test(ends):
        ends.incoming.put_nowait(_HELLO)
        ends.incoming.put_nowait(encode_frame(_GOODBYE))
        await ends.pump.run()
        assert [frame.kind for frame in ends.taken] == [Kind.HELLO, Kind.GOODBYE]
        assert [frame.kind for frame in ends.written] == [Kind.WELCOME]

    _run(test)


def test_the_end_of_the_stream_ends_it():
    async def test(ends):
        ends.incoming.put_nowait(None)
        await ends.pump.run()
        assert ends.protocol.state is LinkState.OPENING

    _run(test)


def test_a_broken_rule_is_told_and_raised():
    async def test(ends):
        ends.incoming.put_nowait(b"junk")
        with pytest.raises(PeerFault, match="^A frame must have at least"):
            await ends.pump.run()
        (goodbye,) = ends.written
        assert goodbye.header["reason"].startswith("A frame must have at least")

    _run(test)


def test_a_goodbye_from_here_is_written_before_the_end():
    async def test(ends):
        running = asyncio.create_task(ends.pump.run())
        await asyncio.sleep(0)
        ends.protocol.send(_GOODBYE)
        ends.pump.wake()
        await running
        assert [frame.kind for frame in ends.written] == [Kind.GOODBYE]

    _run(test)


def test_who_does_not_read_the_goodbye_is_not_waited_for():
    async def run():
        ends = _Ends(farewell_s=0.01)
        ends.may_write.clear()
        ends.protocol.send(_GOODBYE)
        ends.pump.wake()
        await ends.pump.run()
        assert ends.written == []

    asyncio.run(run())


def test_what_is_given_up_ends_at_once():
    async def test(ends):
        ends.may_write.clear()
        ends.incoming.put_nowait(_HELLO)
        running = asyncio.create_task(ends.pump.run())
        while not ends.taken:
            await asyncio.sleep(0)
        ends.pump.give_up()
        await running
        assert ends.protocol.state is LinkState.ATTENDING

    _run(test)


def test_an_error_of_the_stream_is_raised():
    async def test(ends):
        async def fail(message):
            raise ConnectionResetError("cut")

        ends.pump._write = fail
        ends.incoming.put_nowait(_HELLO)
        with pytest.raises(ConnectionResetError, match="^cut$"):
            await ends.pump.run()

    _run(test)


def test_an_error_of_the_taker_is_raised():
    async def test(ends):
        async def fail(event):
            raise ZeroDivisionError

        ends.pump._take = fail
        ends.incoming.put_nowait(_HELLO)
        with pytest.raises(ZeroDivisionError):
            await ends.pump.run()

    _run(test)
