"""A real store: daemon and executor as processes, headquarters at the other end of a TLS link."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from datasets.chain import open_chain
from tests.colour_run import write_photographs
from tests.integration.store_daemons import (
    CLONE,
    LABELS,
    TIMEOUT_S,
    Fleet,
    Headquarters,
    make_photographs,
    running_daemon,
    start_daemon,
)
from tff_retail.config import DataConfig, LearningConfig, ModelConfig, RunConfig
from tff_retail.program.model_archive import pack_model
from tff_retail.program.recogniser import make_recogniser
from tff_retail.program.simulated_chain import SimulatedChain
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.store import StoreFailed, WorkRequest
from tff_retail.transport.link_faults import StoreRefused
from tff_retail.transport.run_signing import read_manifest_key
from tff_retail.transport.signed_model import sign_model

# Epochs enough for minutes of work.
ENDLESS = 500_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("real store")


@pytest.fixture(scope="module")
def data_dir(folder) -> pathlib.Path:
    return make_photographs(folder / "chain" / "north")


@pytest.fixture(scope="module")
def recogniser(folder, data_dir):
    config = RunConfig(
        data=DataConfig(
            data_dir=str(folder / "chain"), cache_dir=str(folder), validation_fraction=0.4
        ),
        model=ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32),
        learning=LearningConfig(batch_size=8),
    )
    return make_recogniser(config, LABELS, folder / "round_form", say=print)


@pytest.fixture(scope="module")
def fleet(folder) -> Fleet:
    return Fleet(folder)


@pytest.fixture(scope="module")
def state_dir(fleet) -> pathlib.Path:
    return fleet.enrol("north")


@pytest.fixture(scope="module")
def headquarters(fleet, recogniser):
    headquarters = Headquarters(fleet, recogniser)
    yield headquarters
    headquarters.server.close()


@pytest.fixture(scope="module")
def daemon(state_dir, data_dir, headquarters):
    with running_daemon(state_dir, data_dir, headquarters.address) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def link(daemon, headquarters):
    """The store's link, ready to work."""
    link = headquarters.next_link()
    headquarters.give(link)
    return link


@pytest.fixture(scope="module")
def broadcasts(recogniser):
    """What the first round of each role sends."""
    found = {}
    for role, form in recogniser.forms.items():
        one_round = FederatedRound(form, PlainCollector(form, parallel_stores=1))
        found[role] = one_round.broadcast(one_round.initial_state())
        one_round.close()
    return found


def _simulated(recogniser):
    (photographs,) = open_chain(recogniser.config.data, 32, labels=LABELS).stores
    return SimulatedChain(recogniser, [""]).store(photographs)


def _same(found, expected) -> bool:
    return len(found) == len(expected) and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in zip(found, map(np.asarray, expected), strict=True)
    )


@pytest.mark.parametrize("role", ["train", "evaluate"])
def test_it_gives_what_the_simulated_store_gives(link, headquarters, recogniser, broadcasts, role):
    request = WorkRequest(role, 1, 7, broadcasts[role])
    expected = _simulated(recogniser).run(request)
    assert _same(headquarters.store("north").run(request).outputs, expected.outputs)
    assert link.examples == {"train": 13, "validation": 11}


def test_new_photographs_are_taken_up_at_the_next_round_and_old_answers_kept(
    link, daemon, headquarters, recogniser, broadcasts, data_dir
):
    store = headquarters.store("north")
    second, third = (WorkRequest("train", number, 7, broadcasts["train"]) for number in (2, 3))
    before = store.run(second).outputs
    write_photographs(data_dir / "new label", 0, num_photographs=3)  # in no manifest
    write_photographs(data_dir / LABELS[0] / "new", 0, num_photographs=4, seed=5)
    assert _same(store.run(second).outputs, before)
    after = store.run(third).outputs
    assert _same(after, _simulated(recogniser).run(third).outputs)
    assert sum(link.examples.values()) == 24 + 4
    assert not _same(after, before)
    headquarters.do(link.acknowledge("first", 2))
    assert not _same(store.run(second).outputs, before)  # nothing is kept of it any more
    lines = daemon.said().splitlines()
    assert any(line.startswith("round 3: trained on 1") for line in lines)


def test_a_daemon_needs_no_tensorflow(link, daemon):
    """What would map it into memory stands in the child's maps, and not in the daemon's."""

    def maps(process: int) -> str:
        return pathlib.Path(f"/proc/{process}/maps").read_text()

    assert "tensorflow" in maps(daemon.child().pid)
    assert "tensorflow" not in maps(daemon.process.pid)


def test_a_second_daemon_is_refused(link, state_dir, data_dir, headquarters):
    second = start_daemon(state_dir, data_dir, headquarters.address)
    assert second.process.wait(TIMEOUT_S) == 2
    assert "--state_dir must be used by one daemon at a time" in second.said()


def test_what_is_not_signed_for_this_chain_is_declined(link, fleet, headquarters, recogniser):
    other = Fleet(fleet.path / "other")
    manifest = {"roles": {}}
    for signed, code in (
        (other.sign(manifest), "signature"),
        (fleet.sign(manifest, days=-1), "expired"),
        (fleet.sign(manifest), "manifest"),
    ):
        with pytest.raises(StoreRefused) as refusal:
            headquarters.do(link.send_manifest(signed, {}))
        assert refusal.value.code == code
    headquarters.give(link)


def test_a_signed_model_is_installed_and_rolled_back(
    link, daemon, fleet, headquarters, state_dir, tmp_path
):
    key = read_manifest_key(fleet.folder.path / "signing" / "manifest.key")

    def deliver(content: str, *, signed_as: str = "model") -> None:
        (tmp_path / "model.json").write_text(content)
        archive = pack_model(tmp_path)
        digest = hashlib.sha256(archive).hexdigest()
        signature = sign_model(digest, name=signed_as, key=key, chain_id=fleet.folder.chain_id)
        offer = link.offer_model("model", digest=digest, signature=signature, body=[archive])
        headquarters.do(offer)
        headquarters.give(link)  # its answer comes when the model has been dealt with

    current = state_dir / "model" / "current" / "model.json"
    for content in ("1", "2"):
        deliver(content)
        assert current.read_text() == content
    deliver("3", signed_as="another")
    assert current.read_text() == "2"
    assert "was not installed: the model 'model' is not signed" in daemon.said()
    command = [sys.executable, "-m", "tff_retail.store", "model", "rollback"]
    done = subprocess.run([*command, f"--state_dir={state_dir}"], cwd=CLONE, capture_output=True)
    assert done.returncode == 0
    assert current.read_text() == "1"
    deliver("2")
    assert current.read_text() == "1"


def test_a_call_that_is_given_up_stops_the_work(link, headquarters, broadcasts):
    headquarters.give(link, epochs=ENDLESS)
    store = headquarters.store("north")
    request = WorkRequest("train", 4, 7, broadcasts["train"])
    asked = headquarters.server.submit(_answer(store, request))
    headquarters.wait_until_working(4)
    asked.cancel()
    # One piece of work at a time: this one comes to its turn when the other has ended.
    store.run(WorkRequest("evaluate", 4, 7, broadcasts["evaluate"]))


def test_a_child_that_dies_fails_its_call_and_is_started_again(
    link, daemon, headquarters, broadcasts
):
    headquarters.give(link, epochs=ENDLESS)
    store = headquarters.store("north")
    request = WorkRequest("train", 6, 7, broadcasts["train"])
    asked = headquarters.server.submit(_answer(store, request))
    headquarters.wait_until_working(6)
    first = daemon.child()
    first.kill()
    with pytest.raises(StoreFailed, match="executor"):
        asked.result(TIMEOUT_S)
    headquarters.give(link)
    assert daemon.child().pid != first.pid
    store.run(WorkRequest("train", 7, 7, broadcasts["train"]))
    assert (
        "the executor ended (signal 9, killed: mostly for want of memory); it is started again in"
        in daemon.said()
    )
    # Between two rounds headquarters hears of it; what was made in the first child is made again.
    while not headquarters.standings.empty():
        headquarters.standings.get()
    daemon.child().kill()
    told = headquarters.standings.get(timeout=TIMEOUT_S)
    assert told == "executor_down"
    assert headquarters.connected.names() == []
    assert headquarters.standings.get(timeout=TIMEOUT_S) == ""
    assert headquarters.connected.names() == ["north"]
    store.run(WorkRequest("train", 10, 7, broadcasts["train"]))


def test_work_goes_on_without_the_link_and_its_answer_is_there_afterwards(
    link, headquarters, fleet, recogniser, broadcasts
):
    """A coordinator that was killed asks the same again; nothing is computed anew."""
    headquarters.give(link, epochs=300)
    request = WorkRequest("train", 8, 7, broadcasts["train"])
    asked = headquarters.server.submit(_answer(headquarters.store("north"), request))
    headquarters.wait_until_working(8)
    headquarters.server.close()
    assert asked.exception(TIMEOUT_S) is not None
    again = Headquarters(fleet, recogniser, headquarters.address)
    try:
        again.give(again.next_link(), epochs=300)
        first = again.do(_answer(again.store("north"), request))
        assert again.do(_answer(again.store("north"), request)) == first
        states = [again.reports.get()["state"] for _ in range(again.reports.qsize())]
        assert "working" not in states
        again.store("north").run(WorkRequest("train", 9, 7, broadcasts["train"]))
        again.wait_until_working(9)
    finally:
        again.server.close()


async def _answer(store, request):
    async with store.answer(store.question(request)) as answer:
        return bytes(answer)


def _gone(processes) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=TIMEOUT_S)
    return not alive


def test_sigterm_stops_it_in_mid_work(fleet, recogniser, data_dir, broadcasts):
    headquarters = Headquarters(fleet, recogniser)
    with running_daemon(fleet.enrol("south"), data_dir, headquarters.address) as daemon:
        link = headquarters.next_link()
        headquarters.give(link, epochs=ENDLESS)
        request = WorkRequest("train", 1, 7, broadcasts["train"])
        asked = headquarters.server.submit(_answer(headquarters.store("south"), request))
        headquarters.wait_until_working(1)
        child = daemon.child()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
        assert _gone([child])
        assert daemon.said().endswith("stopped\n")
        with pytest.raises(StoreFailed):
            asked.result(TIMEOUT_S)
    headquarters.server.close()


def test_kill_9_leaves_no_child(fleet, recogniser, data_dir, broadcasts):
    headquarters = Headquarters(fleet, recogniser)
    with running_daemon(fleet.enrol("east"), data_dir, headquarters.address) as daemon:
        link = headquarters.next_link()
        headquarters.give(link, epochs=ENDLESS)
        request = WorkRequest("train", 1, 7, broadcasts["train"])
        asked = headquarters.server.submit(_answer(headquarters.store("east"), request))
        headquarters.wait_until_working(1)
        child = daemon.child()
        os.kill(daemon.process.pid, signal.SIGKILL)
        assert _gone([child])
        assert asked.exception(TIMEOUT_S) is not None
    headquarters.server.close()


def _wait_until_trained_with(state_dir: pathlib.Path, batch_size: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not any(
        f'"at_work": {batch_size}' in path.read_text() for path in state_dir.glob("measured/*.json")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks at a file that another process writes


def test_bounds_of_its_own_and_a_restart_without_headquarters(
    fleet, recogniser, data_dir, broadcasts
):
    state_dir, headquarters = fleet.enrol("west"), Headquarters(fleet, recogniser)
    with running_daemon(state_dir, data_dir, headquarters.address, "--batch_size=8") as daemon:
        headquarters.give(headquarters.next_link(), epochs=ENDLESS)
        request = WorkRequest("train", 1, 7, broadcasts["train"])
        asked = headquarters.server.submit(_answer(headquarters.store("west"), request))
        _wait_until_trained_with(state_dir, 8)
        daemon.child().kill()  # as a kernel does that is out of memory
        daemon.wait_until_said("training goes on with 4 examples at a time, which were 8", 1)
        assert isinstance(asked.exception(TIMEOUT_S), StoreFailed)
        daemon.wait_until_said("ready for the run first", 2)
    headquarters.server.close()
    flags = ("--batch_size=8", "--max_seconds_per_round=0.5")
    with running_daemon(state_dir, data_dir, headquarters.address, *flags) as daemon:
        daemon.wait_until_said("ready for the run first", 3)
        assert "for 0.5 s at most, in batches of 8 at most: what was done counts" in daemon.said()
        again = Headquarters(fleet, recogniser, headquarters.address)
        again.give(again.next_link(), epochs=ENDLESS)
        again.store("west").run(WorkRequest("train", 2, 7, broadcasts["train"]))  # it ends
        assert daemon.said().count("ready for the run first") == 3
        again.server.close()
