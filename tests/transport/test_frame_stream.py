import asyncio
import socket
import struct

import pytest

from tff_retail.transport.frame_stream import FrameStream
from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import MAX_FRAME_BYTES


def _play(scene):
    """Runs a scene with a stream and the plain socket at its other end."""

    async def run():
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            stream = FrameStream(ours)
            try:
                await asyncio.wait_for(scene(stream, theirs), 20)
            finally:
                stream.close()

    asyncio.run(run())


async def _send(end: socket.socket, content: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(end, content)


def test_messages_keep_their_ends():
    async def scene(stream, theirs):
        messages = [b"one", b"", bytes(MAX_FRAME_BYTES), b"last"]
        other = FrameStream(theirs.dup())

        async def write():
            for message in messages:
                await stream.write(message)

        writing = asyncio.create_task(write())
        assert [await other.read() for _ in messages] == messages
        await writing
        other.close()

    _play(scene)


def test_the_end_of_the_other_process_is_the_end():
    async def scene(stream, theirs):
        await _send(theirs, struct.pack(">I", 5) + b"tor")  # in the middle of a message
        theirs.close()
        assert await stream.read() is None
        assert await stream.read() is None

    _play(scene)


def test_a_length_beyond_any_frames_is_the_peers_fault():
    async def scene(stream, theirs):
        await _send(theirs, struct.pack(">I", MAX_FRAME_BYTES + 1))
        with pytest.raises(PeerFault, match="must have at most"):
            await stream.read()

    _play(scene)
