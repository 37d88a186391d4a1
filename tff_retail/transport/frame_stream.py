"""The link's frames on a socket pair, each after its length in four bytes.

Between the two processes of a store, of which one runs graphs that came from elsewhere: what it
says is checked like a stranger's. Asyncio's own streams would copy every byte three times more.
"""

import asyncio
import contextlib
import socket
import struct

from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import MAX_FRAME_BYTES

_LENGTH = struct.Struct(">I")


class FrameStream:
    """One end of a socket pair, for `LinkPump`: one task reads, one writes.

    Args:
      connection: is this object's from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection

    async def read(self) -> bytearray | None:
        """The next message; None where the other end has gone.

        Raises:
          PeerFault: no frame is so long.
        """
        prefix = await self._read(_LENGTH.size)
        if prefix is None:
            return None
        (length,) = _LENGTH.unpack(prefix)
        if length > MAX_FRAME_BYTES:
            raise PeerFault(f"A frame must have at most {MAX_FRAME_BYTES} bytes, has {length}")
        return await self._read(length)

    async def write(self, message: bytes) -> None:
        """Returns when the system has taken the message.

        Raises:
          ConnectionError: the other end has gone.
        """
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, _LENGTH.pack(len(message)))
        await loop.sock_sendall(self._socket, message)

    def close(self) -> None:
        """Ends both directions."""
        with contextlib.suppress(OSError):  # the other end was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    async def _read(self, size: int) -> bytearray | None:
        message = bytearray(size)
        view = memoryview(message)
        loop = asyncio.get_running_loop()
        while view.nbytes:
            try:
                received = await loop.sock_recv_into(self._socket, view)
            except ConnectionError:
                return None
            if not received:
                return None
            view = view[received:]
        return message
