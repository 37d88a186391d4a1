"""`ExecutorGroup` the classic way: TFF clients connect to the store, over mutual TLS.

Requests and responses pass as the bytes they are, so that this needs no TensorFlow and a broken
message is the executor's to judge.
"""

import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence

import grpc
import grpc.aio

from tff_retail.config import ConfigurationError
from tff_retail.runtime.executor_methods import EXECUTOR_METHODS
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.link_frames import Buffer
from tff_retail.transport.tls import ServerTls

_SERVICE = "tensorflow_federated.v0.ExecutorGroup"
# Protocol buffers end at 2 GiB; the executor has a limit of its own, by its manifest.
_MAX_MESSAGE_BYTES = 2**31 - 1
# Calls of TFF clients at a time; more are told to come again.
_MAX_CALLS = 64
_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # A second daemon on the same port must fail, not share it.
    ("grpc.so_reuseport", 0),
)
_STATUS_BY_CODE = {status.value[0]: status for status in grpc.StatusCode}

Answer = Callable[[str, bytes, str], Awaitable[Sequence[Buffer]]]


class ExecutorGrpcService:
    """A gRPC server for `ExecutorGroup`; used on one event loop.

    Args:
      listen_address: HOST:PORT; a port of 0 takes a free one.
      tls: what is shown to clients, and whom they must be certified by.
      answer: answers a call by method, serialised request and who asks, which is `client` and the
        SHA-256 of its certificate; or raises `CallFailed`.
    """

    def __init__(self, listen_address: str, tls: ServerTls, answer: Answer) -> None:
        self._listen_address, self._tls, self._answer = listen_address, tls, answer
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listens; the port.

        Raises:
          ConfigurationError: the address is taken, or is none of this machine.
        """
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS)
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(self._handler(method))
            for method in EXECUTOR_METHODS
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        try:
            port = server.add_secure_port(self._listen_address, self._tls.grpc_credentials())
        except RuntimeError as error:
            raise ConfigurationError(
                f"--listen_address must be free and of this machine, found {self._listen_address}; "
                "choose another"
            ) from error
        await server.start()
        self._server = server
        return int(port)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Ends all calls, after a grace."""
        if self._server is not None:
            await self._server.stop(grace_s)

    def _handler(
        self, method: str
    ) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            try:
                return b"".join(await self._answer(method, request, _client(context)))
            except CallFailed as failure:
                status = _STATUS_BY_CODE[failure.code]
                reason = failure.reason
            except Exception:  # gRPC would tell the client what it says
                logging.exception("A call failed")
                status, reason = grpc.StatusCode.INTERNAL, "unexpected_error"
            await context.abort(status, reason)
            raise AssertionError("abort raises")

        return handle


def _client(context: grpc.aio.ServicerContext) -> str:
    (shown,) = context.auth_context()["x509_pem_cert"]  # TLS lets no client in without one
    return f"client {hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown.decode())).hexdigest()}"
