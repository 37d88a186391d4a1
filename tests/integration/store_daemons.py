"""A fleet, headquarters and real store daemons, with a model that trains in milliseconds."""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil

from tests.colour_run import COLOURS, write_photographs
from tff_retail.program.manifest import make_manifest, manifest_contents
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.store_work import SPLITS
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.transport.authority_files import read_intermediate
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.link_server import LinkServer
from tff_retail.transport.run_signing import read_manifest_key
from tff_retail.transport.signed_manifest import sign_manifest
from tff_retail.transport.store_enrolment import install_certificate, write_request

CLONE = pathlib.Path(__file__).resolve().parents[2]
LABELS = ("red", "green 50%", "青")
RUN = "first"
# A machine may be busy with other tests; what takes longer than this hangs.
TIMEOUT_S = 120.0


def make_photographs(folder: pathlib.Path, *, seed: int = 0) -> pathlib.Path:
    """A store's folder with eight photographs of each label."""
    for colour in range(len(COLOURS)):
        write_photographs(folder / LABELS[colour], colour, num_photographs=8, seed=seed)
    return folder


class Fleet:
    """A fleet folder, and stores that joined it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.folder: FleetFolder = make_fleet(
            path / "fleet", NewFleet(["localhost"], "localhost:1", "localhost:1")
        )

    def enrol(self, name: str) -> pathlib.Path:
        """The state directory of a store that joined by files."""
        state_dir, request = self.path / f"state {name}", self.path / f"{name}.csr"
        write_request(name, state_dir=state_dir, path=request)
        install_certificate(self.approve(request), state_dir=state_dir)
        return state_dir

    def approve(self, request: pathlib.Path) -> pathlib.Path:
        """The file that answers a request."""
        office = CertificateOffice(self.folder, read_intermediate(self.folder))
        answer = request.with_suffix(".approved")
        answer.write_text(json.dumps(office.approve(request.read_bytes()).to_json()))
        return answer

    def sign(self, manifest: dict[str, Any], *, days: float = 1) -> bytes:
        """A manifest, signed by the chain's key."""
        return sign_manifest(
            json.dumps(manifest).encode(),
            key=read_manifest_key(self.folder.path / "signing" / "manifest.key"),
            run=RUN,
            chain_id=self.folder.chain_id,
            expires=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days),
        )


class Headquarters:
    """A link server, and what stores do and say."""

    def __init__(self, fleet: Fleet, recogniser: Recogniser, address: str = "localhost:0") -> None:
        self.fleet, self.recogniser = fleet, recogniser
        self.connected = ConnectedStores()
        self.joined: queue.Queue[Any] = queue.Queue()
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.standings: queue.Queue[str] = queue.Queue()
        self.server = LinkServer(
            address,
            fleet.folder.server_tls(),
            is_welcome=fleet.folder.is_welcome,
            on_joined=self.joined.put,
            on_left=lambda link, reason: self.connected.remove(link),
            on_report=lambda link, report: self.reports.put(dict(report)),
            on_standing=lambda link, sentence: self.standings.put(sentence),
            run=RUN,
        )
        self.address = self.server.start()

    def next_link(self):
        """The next store that joins."""
        return self.joined.get(timeout=TIMEOUT_S)

    def give(self, link, **changes) -> None:
        """Sends the manifest, some values of `train` changed; returns when the store is ready."""
        manifest = make_manifest(self.recogniser)
        manifest["roles"]["train"].update(changes)
        signed = self.fleet.sign(manifest)
        self.do(link.send_manifest(signed, manifest_contents(self.recogniser)))
        self.server.submit(self._add(link)).result(TIMEOUT_S)

    def store(self, name: str, *, rejoin_wait_s: float = 0.0) -> RemoteStore:
        """A connected store, to be asked."""
        questions = {
            role: Questions(form["work"], split=SPLITS[role], run=RUN)
            for role, form in self.recogniser.forms.items()
        }
        return RemoteStore(
            name,
            self.connected,
            questions,
            submit=self.server.submit,
            rejoin_wait_s=rejoin_wait_s,
        )

    def do(self, coroutine, timeout_s=TIMEOUT_S):
        """The result of a coroutine on the server's loop."""
        return self.server.submit(coroutine).result(timeout_s)

    def wait_until_working(self, round_num: int) -> None:
        """Waits until a store has begun the work of a round."""
        while True:
            report = self.reports.get(timeout=TIMEOUT_S)
            if (report["state"], report["values"]["round"]) == ("working", round_num):
                return

    async def _add(self, link) -> None:
        self.connected.add(link)


@dataclasses.dataclass
class Daemon:
    """A store's daemon as a process."""

    process: subprocess.Popen[bytes]
    output: pathlib.Path

    def said(self) -> str:
        """What it has printed."""
        return self.output.read_text(encoding="utf-8")

    def wait_until_said(self, text: str, times: int) -> None:
        """Waits until it has printed a text so many times."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.said().count(text) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(self.said())
            time.sleep(0.01)  # between two looks at a file that another process writes

    def child(self) -> psutil.Process:
        """Its executor."""
        (child,) = psutil.Process(self.process.pid).children()
        return child


def start_daemon(
    state_dir: pathlib.Path,
    data_dir: pathlib.Path,
    address: str,
    *flags: str,
    module: str = "tff_retail.store",
) -> Daemon:
    """Starts a daemon; what it says goes into a file beside its state."""
    output = state_dir.with_suffix(".log")
    command = [sys.executable, "-m", module, f"--state_dir={state_dir}"]
    command += [f"--data_dir={data_dir}", f"--server_address={address}", "--nice=0", *flags]
    with output.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=CLONE,
            env={**os.environ, "no_proxy": "localhost"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Daemon(process, output)


@contextlib.contextmanager
def running_daemon(*arguments: Any, **settings: Any) -> Iterator[Daemon]:
    """A daemon that is killed at the end, where it has not ended by itself."""
    daemon = start_daemon(*arguments, **settings)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()
