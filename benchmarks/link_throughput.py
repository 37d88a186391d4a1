"""What the store link costs more than moving the same bytes through plain TLS sockets.

    python -m benchmarks.link_throughput

Five store processes on loopback; each is sent a model and sends as much back, all at the same time,
over the link and over sockets in turn. Both ends of both ways show certificates (mutual TLS).
"""

import argparse
import asyncio
import contextlib
import pathlib
import queue
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.link_certificates import write_link_certificates
from benchmarks.marked_processes import marked_environment
from benchmarks.measurement import Scratch, run_alone
from benchmarks.plain_tls_sockets import plain_tls_sockets
from benchmarks.row import Comparison, Row, Series, paired_ratios
from tff_retail.transport.link_server import LinkServer, StoreLink
from tff_retail.transport.tls import ServerTls

NAME, TITLE = "link_throughput", "store link against plain TLS sockets"
_NUM_STORES = 5
_SIZES_MB = (1, 10, 100)
_MAX_RATIO = 1.3
_MIB = 1 << 20
_START_S = 30.0

Exchange = Callable[[int], float]


def measure(
    repetitions: int, scratch: Scratch, sizes_mb: Sequence[int] = _SIZES_MB
) -> Sequence[Row]:
    """Times exchanges of each size, the two ways in turn; one row a size."""
    with contextlib.ExitStack() as stack:
        tls = write_link_certificates(scratch.folder, _NUM_STORES)
        environment = stack.enter_context(marked_environment())
        ways = {
            "store link": stack.enter_context(_link(tls, scratch.folder, environment)),
            "TLS sockets": stack.enter_context(
                plain_tls_sockets(tls, scratch.folder, environment, _NUM_STORES)
            ),
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
        _start_stores(address, folder, environment)
        links = [joined.get(timeout=_START_S) for _ in range(_NUM_STORES)]

        async def ask(link: StoreLink, body: bytes) -> None:
            async with link.call("echo", [body]) as answer:
                assert len(answer) == len(body)

        async def ask_all(body: bytes) -> float:
            began = time.perf_counter()
            await asyncio.gather(*(ask(link, body) for link in links))
            return time.perf_counter() - began

        # Noise, as updates are: a store would pack zeros.
        noise = random.Random(0).randbytes
        yield lambda size: server.submit(ask_all(noise(size))).result()
    finally:
        server.close()


def _start_stores(address: str, folder: pathlib.Path, environment: dict[str, str]) -> None:
    for number in range(_NUM_STORES):
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.contenders.link_store",
                "--way=link",
                f"--address={address}",
                f"--tls={folder / str(number)}",
            ],
            env=environment,
            stderr=subprocess.DEVNULL,  # the end of the driver is no news
        )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=9)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> Sequence[Row]:
    return measure(arguments.repetitions, scratch)


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
