"""The fleet command as a process: stores join while it serves, and it stops when told to."""

import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.store_enrolment import join_fleet

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
_TIMEOUT_S = 60.0


def _start(folder: pathlib.Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tff_retail.fleet", *arguments, f"--dir={folder}"]
    return subprocess.Popen(
        command, cwd=_REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=_TIMEOUT_S)
    return process.returncode, out, err


@pytest.fixture
def folder(tmp_path, monkeypatch) -> pathlib.Path:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    path = tmp_path / "my fleet"
    made = _start(path, "init", "--hosts=localhost", f"--enrolment_address=localhost:{port}")
    assert _finish(made)[0] == 0
    return path


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stores_join_until_the_service_is_stopped(folder, tmp_path, signum):
    token = _finish(_start(folder, "invite", "店 七"))[1]
    serving = _start(folder, "serve-enrolment", "--listen_address=localhost:" + _port(folder))
    try:
        assert serving.stderr is not None
        assert serving.stderr.readline() == f"stores join and renew at localhost:{_port(folder)}\n"
        identity = join_fleet(token, state_dir=tmp_path / "s")
        serving.send_signal(signum)
        code, out, err = _finish(serving)
    finally:
        serving.kill()
    assert (code, out, err) == (0, "店 七 joined from 127.0.0.1\n", "stopped\n")
    assert FleetFolder(folder).is_welcome(identity.certificate) is None


def test_an_invitation_waits_for_its_store(folder, tmp_path):
    inviting = _start(folder, "invite", "a", "--wait")
    try:
        assert inviting.stdout is not None and inviting.stderr is not None
        token = inviting.stdout.readline()
        next(line for line in inviting.stderr if line.startswith("stores join and renew at "))
        join_fleet(token, state_dir=tmp_path / "s")
        assert _finish(inviting)[0] == 0
    finally:
        inviting.kill()


def _port(folder: pathlib.Path) -> str:
    return FleetFolder(folder).enrolment_address.rpartition(":")[2]
