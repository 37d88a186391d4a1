"""A store with a good certificate whose frames a test writes itself, past all rules."""

import contextlib
import threading
from collections.abc import Iterator

import grpc

from tests.integration.link_stores import HELLO, Headquarters, Surroundings
from tff_retail.transport.link_frames import Buffer, Frame, Kind, decode_frame, encode_frame
from tff_retail.transport.link_stream import ATTEND


class RogueStore:
    """A raw stream to the server."""

    def __init__(self, address, tls, **stream):
        self._channel = grpc.secure_channel(
            address, tls.grpc_credentials(), [("grpc.max_send_message_length", -1)]
        )
        self._messages: list = []
        self._has_more = threading.Condition()
        self.stream = self._channel.stream_stream(ATTEND)(self._sent(), **stream)

    def _sent(self):
        while True:
            with self._has_more:
                self._has_more.wait_for(lambda: self._messages)
                message = self._messages.pop(0)
            if message is None:
                return
            yield message

    def send(self, *messages: bytes) -> None:
        """Sends messages as they are."""
        with self._has_more:
            self._messages += messages
            self._has_more.notify()

    def frame(self) -> Frame:
        """The next frame of headquarters."""
        return decode_frame(next(self.stream))

    def join(self) -> None:
        """Says hello, as an honest store does."""
        self.send(encode_frame(HELLO.to_frame()))
        assert self.frame().kind is Kind.WELCOME

    def begin_result(self, number: int, size: int) -> None:
        """Announces a result and sends a little of it."""
        self.send(frame_bytes(Kind.RESULT, number=number, size=size))
        assert self.frame().kind is Kind.PROCEED
        self.send(frame_bytes(Kind.PART, bytes(100_000), number=number))

    def close(self) -> None:
        """Ends the connection."""
        self.send(None)  # type: ignore[arg-type]
        self.stream.cancel()
        self._channel.close()


@contextlib.contextmanager
def rogue_store(
    around: Surroundings, headquarters: Headquarters, *, name: str = "store-001", **stream
) -> Iterator[RogueStore]:
    """A rogue with a certificate of its own; it is gone after the block."""
    rogue = RogueStore(headquarters.address, around.chain.store_tls(name), **stream)
    try:
        yield rogue
    finally:
        rogue.close()


def frame_bytes(kind: Kind, body: Buffer = b"", **header) -> bytes:
    """A frame as it travels."""
    return encode_frame(Frame(kind, header, [body]))
