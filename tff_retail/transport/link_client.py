"""A store's end of the link: dials out, attends, and comes back whenever the link is lost."""

import asyncio
import contextlib
import functools
import logging
import os
import time

import grpc
import grpc.aio

from tff_retail.transport.link_attendance import Attendance
from tff_retail.transport.link_faults import LinkFault
from tff_retail.transport.link_handler import LinkHandler
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_stream import ATTEND, StreamOptions
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.reconnect_delays import ReconnectDelays
from tff_retail.transport.tls import ClientTls
from tff_retail.transport.tls_diagnosis import diagnose_connection

# Longer than a handshake takes by satellite; `stop` waits for it in the worst case.
_DIAGNOSIS_S = 5.0
# The ways in which a stream of gRPC ends that nobody wanted to end.
_STREAM_ERRORS = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError)


class LinkClient:
    """The store's side of the link.

    Args:
      server_address: of headquarters, `host:port`.
      tls: the store's certificate, and whom it trusts; may be replaced at any time, for the next
        connection.
      hello: what the store says of itself; likewise.
      handler: what it makes of what comes.
      proxies: of this machine; by default what its environment says.
      delays: between attempts.
      limits: of what is taken from headquarters.
    """

    def __init__(
        self,
        server_address: str,
        tls: ClientTls,
        hello: Hello,
        handler: LinkHandler,
        *,
        proxies: ProxySettings | None = None,
        delays: ReconnectDelays | None = None,
        limits: LinkLimits | None = None,
    ) -> None:
        self.tls = tls
        self.hello = hello
        self._server_address = server_address
        self._handler = handler
        self._proxies = proxies or ProxySettings.from_environment(os.environ)
        self._delays = delays or ReconnectDelays()
        self._limits = limits or LinkLimits()
        self._attendance: Attendance | None = None
        self._stopping = asyncio.Event()
        self._stop_reason = ""

    async def run(self) -> None:
        """Attends until `stop`; connects again whenever the link is lost."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            reason = await self._attend_once()
            if self._stopping.is_set():
                return
            delay_s = self._delays.next_s(time.monotonic() - began_s)
            self._handler.left(reason, delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    def stop(self, reason: str) -> None:
        """Says goodbye and lets `run` return; calls at work are cancelled."""
        self._stopping.set()
        self._stop_reason = reason
        if self._attendance is not None:
            self._attendance.stop(reason)

    async def _attend_once(self) -> str:
        """One connection, from dialling to its end; returns why it ended."""
        proxy = self._proxies.proxy_for(self._server_address)
        options = StreamOptions(self._limits).of_store(proxy)
        async with grpc.aio.secure_channel(
            self._server_address, self.tls.grpc_credentials(), options
        ) as channel:
            stream = channel.stream_stream(ATTEND)()
            attendance = Attendance(
                self.hello,
                self._handler,
                self._limits,
                read=functools.partial(_read, stream),
                write=stream.write,
            )
            self._attendance = attendance
            if self._stopping.is_set():
                attendance.stop(self._stop_reason)
            try:
                if reason := await attendance.run():
                    return reason
            except LinkFault as fault:
                return f"Headquarters broke a rule of the link: {fault}"
            except _STREAM_ERRORS as error:
                if attendance.has_joined:
                    return "The connection to headquarters was lost"
                if answer := _answer_of(error):
                    return f"Headquarters did not take the link: {answer}"
            except Exception as error:  # a mistake that headquarters found must not end the store
                logging.exception("The link ended by a mistake of this program")
                return f"This program failed at what headquarters sent: {type(error).__name__}"
            finally:
                self._attendance = None
                stream.cancel()
        return await diagnose_connection(
            self._server_address,
            self.tls,
            self._proxies,
            timeout_s=min(_DIAGNOSIS_S, self._limits.hello_s),
        )


async def _read(stream: grpc.aio.StreamStreamCall) -> bytes | None:
    message = await stream.read()
    return None if message is grpc.aio.EOF else message


def _answer_of(error: BaseException) -> str:
    """What a gRPC server said; '' where none was reached."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return ""
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN):
        return ""
    said = "".join(c for c in (error.details() or "")[:200] if c.isprintable())
    return f"{said} ({error.code().name})"
