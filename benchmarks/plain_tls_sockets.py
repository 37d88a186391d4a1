"""The same bytes through plain TLS sockets: what the store link is measured against."""

import contextlib
import pathlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from tff_retail.transport.tls import ServerTls

_PIECE = 1 << 20
_START_S = 30.0


@contextlib.contextmanager
def plain_tls_sockets(
    tls: ServerTls, certificates: pathlib.Path, environment: Mapping[str, str], num_stores: int
) -> Iterator[Callable[[int], float]]:
    """Stores behind sockets; gives a function from bytes each way to seconds for all of them.

    Args:
      tls: headquarters' side.
      certificates: of the stores, as `write_link_certificates` left them.
      environment: for the stores' processes, which it has to end.
      num_stores: so many processes.
    """
    context = tls.ssl_context()
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("localhost", 0)))
        listening.settimeout(_START_S)
        address = f"localhost:{listening.getsockname()[1]}"
        for number in range(num_stores):
            _start_store(address, certificates / str(number), environment)
        connections = [
            stack.enter_context(context.wrap_socket(listening.accept()[0], server_side=True))
            for _ in range(num_stores)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(num_stores))

        def exchange(size: int) -> float:
            body = bytes(size)
            began = time.perf_counter()
            list(threads.map(lambda connection: _exchange_bytes(connection, body), connections))
            return time.perf_counter() - began

        yield exchange


def _start_store(address: str, certificate: pathlib.Path, environment: Mapping[str, str]) -> None:
    module = "benchmarks.contenders.link_store"
    flags = ["--way=sockets", f"--address={address}", f"--tls={certificate}"]
    subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # the end of the driver is no news
    )


def _exchange_bytes(connection: ssl.SSLSocket, body: bytes) -> None:
    connection.sendall(len(body).to_bytes(8, "big"))
    connection.sendall(body)
    piece, left = bytearray(_PIECE), len(body)
    while left:
        left -= connection.recv_into(piece, min(left, _PIECE))
