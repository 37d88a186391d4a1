"""A real store's executor that was taken over: what it can't do, and who survives it."""

import json
import pathlib
import signal

import pytest

from tests.integration.attacking_executor import BEGINNING
from tests.integration.store_daemons import Fleet, make_photographs, running_daemon

_SECRET = "correct horse battery staple"
_NEEDED = (
    "read a photograph",
    "write its cache",
    "set back its peak of memory",
    "signal itself",
    "start a thread",
    "a pair of sockets",
)
_CRASH = "the executor ended (signal 11, TensorFlow crashed"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A store whose daemon has secrets, and whose executor has attacked it and crashed, twice."""
    folder = tmp_path_factory.mktemp("taken over")
    data_dir = make_photographs(folder / "photographs")
    (folder / "outside.txt").write_text("none of its business")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFF_RETAIL_PASS_PHRASE", _SECRET)
        patch.setenv("HTTPS_PROXY", f"http://user:{_SECRET}@localhost:1")
        patch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
        patch.setenv("TF_VAR_password", _SECRET)
        patch.setenv("ONEDNN_VERBOSE", "0")
        state_dir = Fleet(folder).enrol("north")
        module = "tests.integration.attacking_store"
        with running_daemon(state_dir, data_dir, "localhost:1", module=module) as daemon:
            daemon.wait_until_said("the executor ended (signal 6, TensorFlow gave up", 1)
            yield daemon


@pytest.fixture(scope="module")
def found(daemon):
    """What the attacker noted."""
    state_dir = daemon.output.with_suffix("")
    return json.loads((state_dir / "measured" / "found.json").read_text())


def _attacks() -> list[str]:
    source = pathlib.Path(__file__).with_name("attacking_executor.py").read_text(encoding="utf-8")
    body = source.partition("return {")[2].partition("    }\n")[0]
    names = [line.split('"')[1] for line in body.splitlines() if line.startswith('        "')]
    return [name for name in names if name not in _NEEDED]


@pytest.mark.parametrize("attack", _attacks())
def test_what_a_taken_over_executor_can_not_do(found, attack: str):
    assert found["outcomes"][attack] in ("EPERM", "EACCES", "EXDEV")


@pytest.mark.parametrize("need", _NEEDED)
def test_what_it_can_do(found, need: str):
    assert found["outcomes"][need] == "done"


def test_it_inherits_no_secret(found):
    assert _SECRET not in json.dumps(found["environment"])
    assert found["environment"]["ONEDNN_VERBOSE"] == "0"
    assert found["environment"]["HOME"] == found["environment"]["TMPDIR"]


def test_it_inherits_one_end_of_a_socket_pair_and_a_pipe_to_speak_through(found):
    assert sorted(found["descriptors"]) == ["/dev/null", "pipe", "pipe", "socket"]


def test_the_daemon_lives_and_says_how_the_executor_ended(daemon):
    said = daemon.said()
    assert f"{BEGINNING}what it could?[31m" in said  # no terminal obeys what it prints
    assert f"{_CRASH}: it reached for memory that it does not have); it is started again" in said
    assert daemon.process.poll() is None


def test_the_daemon_says_once_what_confines_the_executor(daemon):
    (line,) = [line for line in daemon.said().splitlines() if "confined" in line]
    assert "system calls (seccomp)" in line


def test_the_daemon_stops_as_usual(daemon):
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert daemon.said().endswith("stopped\n")
