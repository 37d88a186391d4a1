"""What the store link costs more than moving the same bytes through plain TLS sockets.

    python -m benchmarks.link_throughput

Five store processes on loopback; each is sent a model and sends as much back, all at the same time,
over the link and over sockets in turn. Both ends of both ways show certificates (mutual TLS).
"""

import argparse
import asyncio
import contextlib
import datetime
import pathlib
import queue
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.marked_processes import marked_environment
from benchmarks.measurement import Scratch, run_alone
from benchmarks.row import Comparison, Row, Series, paired_ratios
from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.link_server import LinkServer, StoreLink
from tff_retail.transport.tls import ServerTls

NAME, TITLE = "link_throughput", "store link against plain TLS sockets"
_NUM_STORES = 5
_SIZES_MB = (1, 10, 100)
_MAX_RATIO = 1.3
_MIB = 1 << 20
_PIECE = 1 << 20
_START_S = 30.0

Exchange = Callable[[int], float]


def measure(
    repetitions: int, scratch: Scratch, sizes_mb: Sequence[int] = _SIZES_MB
) -> Sequence[Row]:
    """Times exchanges of each size, the two ways in turn; one row a size."""
    with contextlib.ExitStack() as stack:
        tls = _write_certificates(scratch.folder)
        environment = stack.enter_context(marked_environment())
        ways = {
            "store link": stack.enter_context(_link(tls, scratch.folder, environment)),
            "TLS sockets": stack.enter_context(_sockets(tls, scratch.folder, environment)),
        }
        return [_row(size_mb, repetitions, ways) for size_mb in sizes_mb]


def _row(size_mb: int, repetitions: int, ways: dict[str, Exchange]) -> Row:
    began = time.monotonic()
    for exchange in ways.values():
        exchange(size_mb * _MIB)  # windows, buffers and clocks of the processor get their size
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, exchange in ways.items():
            seconds[name].append(exchange(size_mb * _MIB))
    series = tuple(
        Series(name=name, unit="s", values=tuple(values)) for name, values in seconds.items()
    )
    comparison = Comparison(
        name="time, of plain TLS sockets'",
        values=paired_ratios(*(one.values for one in series)),
        at_most=_MAX_RATIO,
        of="TLS sockets",
    )
    return Row(
        name=f"{NAME}_{size_mb}",
        title=f"{TITLE}, {_NUM_STORES} stores, {size_mb} MiB each way",
        series=series,
        comparisons=(comparison,),
        seconds=time.monotonic() - began,
    )


@contextlib.contextmanager
def _link(tls: ServerTls, folder: pathlib.Path, environment: dict[str, str]) -> Iterator[Exchange]:
    joined: queue.Queue[StoreLink] = queue.Queue()
    server = LinkServer(
        "localhost:0",
        tls,
        is_welcome=lambda certificate: None,
        on_joined=joined.put,
        on_left=lambda link, reason: None,
    )
    address = server.start()
    try:
        _start_stores("link", address, folder, environment)
        links = [joined.get(timeout=_START_S) for _ in range(_NUM_STORES)]

        async def ask(link: StoreLink, body: bytes) -> None:
            async with link.call("echo", [body]) as answer:
                assert len(answer) == len(body)

        async def ask_all(body: bytes) -> float:
            began = time.perf_counter()
            await asyncio.gather(*(ask(link, body) for link in links))
            return time.perf_counter() - began

        yield lambda size: server.submit(ask_all(bytes(size))).result()
    finally:
        server.close()


@contextlib.contextmanager
def _sockets(
    tls: ServerTls, folder: pathlib.Path, environment: dict[str, str]
) -> Iterator[Exchange]:
    context = tls.ssl_context()
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("localhost", 0)))
        listening.settimeout(_START_S)
        address = f"localhost:{listening.getsockname()[1]}"
        _start_stores("sockets", address, folder, environment)
        connections = [
            stack.enter_context(context.wrap_socket(listening.accept()[0], server_side=True))
            for _ in range(_NUM_STORES)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(_NUM_STORES))

        def exchange(size: int) -> float:
            body = bytes(size)
            began = time.perf_counter()
            list(threads.map(lambda connection: _exchange_bytes(connection, body), connections))
            return time.perf_counter() - began

        yield exchange


def _exchange_bytes(connection: ssl.SSLSocket, body: bytes) -> None:
    connection.sendall(len(body).to_bytes(8, "big"))
    connection.sendall(body)
    piece, left = bytearray(_PIECE), len(body)
    while left:
        left -= connection.recv_into(piece, min(left, _PIECE))


def _start_stores(
    way: str, address: str, folder: pathlib.Path, environment: dict[str, str]
) -> None:
    for number in range(_NUM_STORES):
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.contenders.link_store",
                f"--way={way}",
                f"--address={address}",
                f"--tls={folder / str(number)}",
            ],
            env=environment,
            stderr=subprocess.DEVNULL,  # the end of the driver is no news
        )


def _write_certificates(folder: pathlib.Path) -> ServerTls:
    """Headquarters' side; the stores' are in folders `0`, `1`, … of `folder`."""
    now = datetime.datetime.now(datetime.UTC)
    root, key = Authority.make_root(_key(), now), _key()
    intermediate = Authority(root.issue_intermediate(key.public_key(), now), key)
    root_pem = certificate_pem(root.certificate)
    for number in range(_NUM_STORES):
        key = _key()
        certificate = intermediate.issue_store(key.public_key(), f"store-{number}", now)
        chain = certificate_pem(certificate, intermediate.certificate)
        (folder / str(number)).mkdir()
        for name, content in {"key": _pem(key), "chain": chain, "root": root_pem}.items():
            (folder / str(number) / name).write_bytes(content)
    key = _key()
    certificate = intermediate.issue_server(key.public_key(), ["localhost"], now)
    return ServerTls(_pem(key), certificate_pem(certificate, intermediate.certificate), root_pem)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=9)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> Sequence[Row]:
    return measure(arguments.repetitions, scratch)


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
