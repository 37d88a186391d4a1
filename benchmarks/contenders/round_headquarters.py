"""Headquarters of rounds over stores that answer at once, as a process of its own.

    python -m benchmarks.contenders.round_headquarters --megabytes=10 --stores=5 --processes=5 \
        --rounds=9 --folder=SCRATCH [--sockets]

Prints what it measured as one line of JSON. A process of its own, for memory is measured, too:
above what it has before any store connects and before the model is made.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from benchmarks.link_certificates import write_link_certificates
from benchmarks.plain_tls_sockets import plain_tls_sockets
from benchmarks.resident_memory import forget_peak, peak_bytes, resident_bytes
from benchmarks.round_model import RoundModel
from benchmarks.tcp_traffic import tcp_traffic
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.plain_collector import Collection, PlainCollector
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.store import WorkRequest, WorkResult
from tff_retail.transport.link_server import LinkServer, StoreLink
from tff_retail.transport.tls import ServerTls

_MEGABYTE = 1_000_000
_START_S = 120.0
_DEADLINE_S = 300.0
_MANIFEST = b"nothing is signed here"


class _AtOnce:
    """A simulated store that has its update already."""

    def __init__(self, name: str, outputs: Sequence[np.ndarray]) -> None:
        self.name, self._outputs = name, outputs

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`."""
        return WorkResult(self._outputs, {}, 0.0)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rounds and, in turn with them, the same bytes through plain sockets and a simulated round.

    The first of each is not counted. All stores give the same update.
    """
    model = RoundModel.of_bytes(int(arguments.megabytes * _MEGABYTE))
    form = model.compile()
    folder = arguments.folder
    (folder / "answer").write_bytes(model.answer(form))
    _simulated_round(RoundModel((1,)), 1)  # TensorFlow's own threads and kernels are no round's
    start = resident_bytes()
    with contextlib.ExitStack() as stack:
        tls = write_link_certificates(folder, arguments.stores)
        server, connected = stack.enter_context(_link_server(tls))
        began, cpu = time.perf_counter(), time.process_time()
        _start_stores(server.start(), arguments)
        if not connected.wait(lambda names: len(names) == arguments.stores, within_s=_START_S):
            raise TimeoutError(f"Only {len(connected.names())} stores connected")
        found = {"connect_seconds": time.perf_counter() - began}
        found["connect_cpu"] = time.process_time() - cpu
        found["connected_bytes"] = resident_bytes() - start
        found["model_bytes"] = model.num_bytes
        exchange: Callable[[int], float] | None = None
        if arguments.sockets:
            exchange = stack.enter_context(
                plain_tls_sockets(tls, folder, os.environ, arguments.stores)
            )
        collector = RemoteCollector(
            form, submit=server.submit, deadline_s=_DEADLINE_S, needs_finite=True, folder=folder
        )
        stack.callback(collector.close)
        questions = {"train": Questions(form["work"], split="train", run="")}
        stores = [
            RemoteStore(name, connected, questions, submit=server.submit, rejoin_wait_s=0.0)
            for name in connected.names()
        ]
        rounds, digests = [], set()
        for number in range(arguments.rounds + 1):
            request = WorkRequest("train", number, 0, model.weights())
            one, digest = _remote_round(collector, stores, request)
            one["peak_bytes"] -= start
            one["plain_seconds"] = exchange(model.num_bytes) if exchange else 0.0
            rounds.append(one)
            digests.add(digest)
    simulated, digest = _simulated_round(model, arguments.stores, arguments.rounds)
    if digests != {digest}:
        raise AssertionError("The sum over real stores must be that of simulated ones")
    for one, seconds in zip(rounds, simulated, strict=True):
        one["simulated_seconds"] = seconds
    return {**found, "rounds": rounds[1:]}


def _remote_round(
    collector: RemoteCollector, stores: Sequence[RemoteStore], request: WorkRequest
) -> tuple[dict[str, float], str]:
    forget_peak()
    sent, received = tcp_traffic()
    cpu, began = time.process_time(), time.perf_counter()
    collection = collector.collect(stores, request)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak, moved = peak_bytes(), tcp_traffic()
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_bytes": peak,
        "sent_bytes": moved[0] - sent,
        "received_bytes": moved[1] - received,
    }, _digest(collection)


def _simulated_round(
    model: RoundModel, num_stores: int, num_rounds: int = 0
) -> tuple[list[float], str]:
    """Seconds of rounds whose stores have their update already, and the digest of their sum."""
    stores = [_AtOnce(f"store-{number}", model.update()) for number in range(num_stores)]
    collector = PlainCollector(model.compile(), parallel_stores=1)
    seconds = []
    for number in range(num_rounds + 1):
        request = WorkRequest("train", number, 0, model.weights())
        began = time.perf_counter()
        collection = collector.collect(stores, request)
        seconds.append(time.perf_counter() - began)
    collector.close()
    return seconds, _digest(collection)


def _digest(collection: Collection) -> str:
    failures = [outcome.failure for outcome in collection.outcomes if outcome.failure]
    if failures:
        raise AssertionError(f"No store may fail here, found {failures}")
    digest = hashlib.sha256()
    for leaf in collection.total:
        digest.update(leaf.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _link_server(tls: ServerTls) -> Iterator[tuple[LinkServer, ConnectedStores]]:
    connected = ConnectedStores()

    async def introduce(link: StoreLink) -> None:
        await link.send_manifest(_MANIFEST, {})
        connected.add(link)

    server = LinkServer(
        "localhost:0",
        tls,
        is_welcome=lambda certificate: None,
        on_joined=lambda link: tasks.append(server.submit(introduce(link))),
        on_left=lambda link, reason: connected.remove(link),
    )
    tasks: list[Future[None]] = []
    try:
        yield server, connected
    finally:
        server.close()


def _start_stores(address: str, arguments: argparse.Namespace) -> None:
    bounds = [
        arguments.stores * number // arguments.processes
        for number in range(arguments.processes + 1)
    ]
    for first, end in itertools.pairwise(bounds):
        command = [
            *(sys.executable, "-m", "benchmarks.contenders.round_stores"),
            *(f"--address={address}", f"--stores={first}:{end}"),
            *(f"--certificates={arguments.folder}", f"--answer={arguments.folder / 'answer'}"),
        ]
        # The driver reads this process's output to its end, which must not wait for theirs.
        subprocess.Popen(command, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measures, and says it; the driver ends the stores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, required=True)
    parser.add_argument("--stores", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True, help="that the stores share")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="empty")
    parser.add_argument("--sockets", action="store_true", help="plain ones beside")
    print(json.dumps(measure(parser.parse_args())), flush=True)


if __name__ == "__main__":
    main()
