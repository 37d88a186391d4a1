"""Headquarters' end of the store links: stores dial in, and calls go out to them.

The gRPC server runs on an event loop on a thread of its own; `StoreLink`s are used there.
"""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import grpc
import grpc.aio

from tff_retail.config.configuration_error import ConfigurationError
from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.link_frames import MAX_BODY_BYTES, MIN_PART_BYTES, VERSIONS
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_stream import METHOD, SERVICE, StreamOptions
from tff_retail.transport.link_surroundings import HEADQUARTERS_ENDED, LinkSurroundings
from tff_retail.transport.loop_thread import LoopThread
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.receiving_budget import ReceivingBudget
from tff_retail.transport.store_link import StoreLink
from tff_retail.transport.tls import ServerTls

__all__ = ["LinkServer", "StoreLink"]

T = TypeVar("T")

# Two models of 100 MB: one comes in while another is folded.
_MAX_RECEIVING_BYTES = 200_000_000
# Of all links together, in the part that each has on its way: whole frames up to 4 stores.
# Measured, a store that reads nothing costs a little more than twice its part; 32 MiB were no
# faster.
_SENDING_BYTES = 4 * 1024**2


def _ignore_refusal(link: StoreLink, sentence: str) -> None:
    del link, sentence


def _ignore_report(link: StoreLink, report: Mapping[str, Any]) -> None:
    del link, report


class LinkServer:
    """Takes stores' connections; each callback is called on the server's event loop.

    Args:
      address: `host:port` to listen on; port 0 for any.
      tls: headquarters' certificate, and whose stores may connect.
      is_welcome: None, or one sentence why the holder of a certificate is not welcome; asked when a
        store connects and before each call.
      on_joined: called with each store that was welcomed.
      on_left: called with the reason when it is gone.
      on_report: called with the fields of each `report` that a store sends.
      on_refused: called with the sentence that a store was told which was not welcomed.
      on_standing: called when a store that was ready is not any more, with its sentence, and with
        '' when it is ready again.
      on_head: called with the header of each `head`, the last entry of a store's audit log.
      run: that stores are welcomed to; '' outside of one.
      max_receiving_bytes: results that are held at a time, all stores together, until the block of
        their call is left; one is let in however large it is.
      limits: of each link.
      versions: of the link that are spoken.
    """

    def __init__(
        self,
        address: str,
        tls: ServerTls,
        *,
        is_welcome: Callable[[PeerCertificate], str | None],
        on_joined: Callable[[StoreLink], None],
        on_left: Callable[[StoreLink, str], None],
        on_report: Callable[[StoreLink, Mapping[str, Any]], None] = _ignore_report,
        on_refused: Callable[[StoreLink, str], None] = _ignore_refusal,
        on_standing: Callable[[StoreLink, str], None] = lambda link, sentence: None,
        on_head: Callable[[StoreLink, Mapping[str, Any]], None] = lambda link, head: None,
        run: str = "",
        max_receiving_bytes: int = _MAX_RECEIVING_BYTES,
        limits: LinkLimits | None = None,
        versions: tuple[int, ...] = VERSIONS,
    ) -> None:
        self._address = address
        self._tls = tls
        self._on_joined = on_joined
        self._on_left = on_left
        self._links: dict[str, StoreLink] = {}
        self._loop_thread: LoopThread | None = None
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._surroundings = LinkSurroundings(
            run=run,
            versions=versions,
            limits=limits or LinkLimits(),
            budget=ReceivingBudget(max_receiving_bytes),
            memory=BodyMemory(max_receiving_bytes),
            is_welcome=is_welcome,
            on_joined=self._join,
            on_left=self._leave,
            on_report=on_report,
            on_standing=on_standing,
            on_refused=on_refused,
            on_head=on_head,
            part_bytes=self._part_bytes,
        )

    def start(self) -> str:
        """Listens.

        Returns:
          The address that it listens on, `host:port`.

        Raises:
          ConfigurationError: the address can't be listened on.
        """
        self._loop_thread = LoopThread("store links")
        try:
            return self._loop_thread.submit(self._listen()).result()
        except BaseException:
            self.close()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Runs a coroutine on the server's event loop; cancelling the future cancels it.

        Raises:
          RuntimeError: the server does not run.
        """
        if self._loop_thread is None:
            coroutine.close()
            raise RuntimeError("A link server must be started before it is given work")
        return self._loop_thread.submit(coroutine)

    def close(self) -> None:
        """Says goodbye to all stores and ends, within a few seconds; again does nothing."""
        loop_thread, self._loop_thread = self._loop_thread, None
        if loop_thread is not None:
            loop_thread.submit(self._shut_down()).result()
            loop_thread.close()

    async def _listen(self) -> str:
        server = grpc.aio.server(options=StreamOptions(self._surroundings.limits).of_server())
        handler = grpc.stream_stream_rpc_method_handler(self._attend)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        try:
            port = server.add_secure_port(self._address, self._tls.grpc_credentials())
        except RuntimeError as error:
            raise ConfigurationError(
                f"--listen_address must be a free address of this machine, found "
                f"{self._address!r}; another process may listen there"
            ) from error
        self._server = server
        await server.start()
        self._watching = asyncio.create_task(self._watch())
        return f"{self._address.rpartition(':')[0]}:{port}"

    async def _watch(self) -> None:
        """Sends away whoever is not welcome any more, also where nothing is asked of it."""
        while True:
            await asyncio.sleep(self._surroundings.limits.welcome_s)
            for link in list(self._links.values()):
                link.recheck()

    async def _shut_down(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for link in list(self._links.values()):
            link.close(HEADQUARTERS_ENDED)
        server, self._server = self._server, None
        if server is not None:
            # Links end by themselves once their goodbye is on its way.
            await server.stop(self._surroundings.limits.farewell_s)

    async def _attend(self, requests: object, context: grpc.aio.ServicerContext) -> None:
        del requests  # the context reads
        try:
            shown = context.auth_context()["x509_pem_cert"][0]
            certificate = PeerCertificate.from_pem(shown)
        except (KeyError, ValueError):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "The certificate must be one of a store"
            )
        link = StoreLink(
            certificate, self._surroundings, read=_reader(context), write=context.write
        )
        await link.attend()

    def _part_bytes(self) -> int:
        share = _SENDING_BYTES // max(1, len(self._links))
        return min(max(share, MIN_PART_BYTES), MAX_BODY_BYTES)

    def _join(self, link: StoreLink) -> None:
        older = self._links.get(link.name)
        if older is not None:
            older.close("a newer connection of the same store took its place")
        self._links[link.name] = link
        self._on_joined(link)

    def _leave(self, link: StoreLink, reason: str) -> None:
        if self._links.get(link.name) is link:
            del self._links[link.name]
        self._on_left(link, reason)


def _reader(context: grpc.aio.ServicerContext) -> Callable[[], Awaitable[bytes | None]]:
    async def read() -> bytes | None:
        message = await context.read()
        return None if message is grpc.aio.EOF else message

    return read
