"""What goes wrong at night, with real processes: nothing of a run is lost by it."""

import contextlib
import json
import pathlib
import shutil
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.colour_run import write_photographs
from tests.integration.faulty_places import JumpingClock, full, memory_limit, small_disk
from tests.integration.real_training import (
    LABELS,
    NAMES,
    Coordinator,
    RealChain,
    RealStore,
    chain_at_work,
    coordinator,
    require_same,
    training,
)
from tests.train_command import train, wait_until

pytestmark = pytest.mark.soak

# Nobody is left out: a round waits until all of its stores are back.
_PATIENT = ("--rejoin_wait_s=240", "--wait_for_stores_s=240", "--round_deadline_s=480")
_LOST = "The connection to headquarters was lost"
_ALL = {"min_stores": len(NAMES)}


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Iterator[RealChain]:
    with chain_at_work(tmp_path_factory, "faulty chain") as chain:
        yield chain


@contextlib.contextmanager
def _store_of_its_own_kind(store: RealStore, *flags: str, **settings: str) -> Iterator[RealStore]:
    """A store that is started anew for the block, and as it was after it."""
    store.kill()
    store.start_again(*flags, **settings)
    try:
        yield store
    finally:
        store.kill()
        store.start_again()


@contextlib.contextmanager
def _round_held_open(chain: RealChain, run: Coordinator, by: str) -> Iterator[None]:
    """A first round that waits for one store's answer while the block lasts."""
    for store in chain.stores.values():
        store.wait_until_ready()
    executor = chain.stores[by].executor()
    executor.suspend()
    try:
        run.let_stores_in()
        run.wait_for_round(1)
        yield
    finally:
        executor.resume()


def _require_done(run: Coordinator, chain: RealChain) -> None:
    assert run.wait() == 0, run.said()
    require_same(run.run, chain.simulated)


def test_headquarters_disk_is_full_and_freed(chain, tmp_path):
    with small_disk(tmp_path / "run", mib=300) as disk:
        with coordinator(chain, disk, *_PATIENT, **_ALL) as run:
            run.start()
            with _round_held_open(chain, run, "north"):
                stack = contextlib.ExitStack()
                stack.enter_context(full(disk))
            with stack:
                assert run.wait() == 2, run.said()
                assert "make room and start the same command again, nothing is lost" in run.said()
            run.start()
            run.let_stores_in()
            _require_done(run, chain)


def test_a_stores_disk_is_full_and_freed(chain, tmp_path):
    """It may keep back what it can't put on record; the round goes on, and it comes back."""
    south = chain.stores["south"]
    south.kill()
    before = tmp_path / "before"
    shutil.copytree(south.state_dir, before, symlinks=True)
    with small_disk(south.state_dir, mib=64) as disk:
        shutil.copytree(before, disk, symlinks=True, dirs_exist_ok=True)
        south.start_again()
        try:
            with training(chain, tmp_path / "full", rounds=1) as run:
                run.wait_for_round(1)
                with full(disk):
                    assert run.wait() == 0, run.said()
                assert south.daemon.process.poll() is None
            with training(chain, tmp_path / "freed", *_PATIENT, **_ALL) as run:
                _require_done(run, chain)
        finally:
            south.kill()
    south.start_again()


def test_a_store_whose_disk_is_full_throughout_does_not_end_the_run(chain, tmp_path):
    south = chain.stores["south"]
    south.kill()
    before = tmp_path / "before"
    shutil.copytree(south.state_dir, before, symlinks=True)
    with small_disk(south.state_dir, mib=64) as disk:
        shutil.copytree(before, disk, symlinks=True, dirs_exist_ok=True)
        try:
            with full(disk):
                south.start_again()
                settings = {"min_available_stores": 2, "min_stores": 2}
                with training(chain, tmp_path / "run", rounds=1, **settings) as run:
                    assert run.wait() == 0, run.said()
                assert south.daemon.process.poll() is None, south.daemon.said()
        finally:
            south.kill()
    south.start_again()


@pytest.mark.parametrize("days", [1, -1])
def test_a_stores_clock_jumps_in_mid_run(chain, tmp_path, monkeypatch, days):
    """A day back, its certificate has not begun: it says so until the clock is right again."""
    south = chain.stores["south"]
    with monkeypatch.context() as patch:
        clock = JumpingClock(tmp_path, patch)
        south.kill()
        south.start_again()
    try:
        with coordinator(chain, tmp_path / "run", *_PATIENT, **_ALL) as run:
            run.start()
            with _round_held_open(chain, run, "north"):
                times = south.daemon.said().count("connected to headquarters")
                clock.set_days(days)
                south.door.cut()
                if days < 0:
                    south.daemon.wait_until_said("set the clock; trying again", 1)
                    clock.set_days(0)
                south.daemon.wait_until_said("connected to headquarters", times + 1)
            _require_done(run, chain)
    finally:
        south.kill()
        south.start_again()


@pytest.mark.parametrize("days", [1, -1])
def test_headquarters_clock_jumps_in_mid_run(chain, tmp_path, monkeypatch, days):
    with coordinator(chain, tmp_path / "run", *_PATIENT, **_ALL) as run:
        with monkeypatch.context() as patch:
            clock = JumpingClock(tmp_path, patch)
            run.start()
        south = chain.stores["south"]
        with _round_held_open(chain, run, "north"):
            times = south.daemon.said().count("connected to headquarters")
            reasons = south.daemon.said().count("not connected: ")
            clock.set_days(days)
            south.door.cut()
            if days < 0:
                south.daemon.wait_until_said("not connected: ", reasons + 2)  # cut, then refused
                clock.set_days(0)
            south.daemon.wait_until_said("connected to headquarters", times + 1)
        _require_done(run, chain)


def test_two_of_three_vanish_and_come_back_too_late(chain, tmp_path):
    """The run ends with their names; the same command goes on to the same model."""
    gone = [chain.stores[name] for name in ("north", "south")]
    flags = ("--rejoin_wait_s=1", "--wait_for_stores_s=2")
    with coordinator(chain, tmp_path / "run", *flags, **_ALL) as run:
        run.start()
        with _round_held_open(chain, run, "east"):
            for store in gone:
                store.kill()
        assert run.wait() == 1, run.said()
        last = run.said().splitlines()[-1]
        assert "needs 3 stores" in last and "north (" in last and "south (" in last, last
        for store in gone:
            store.start_again()
        for store in gone:
            store.wait_until_ready()
        run.start()
        run.let_stores_in()
        while run.wait() == 1:  # they dial again, and are needed within two seconds
            run.start()
            run.let_stores_in()
        _require_done(run, chain)


def test_two_of_three_vanish_and_come_back_in_time(chain, tmp_path):
    with coordinator(chain, tmp_path / "run", *_PATIENT, **_ALL) as run:
        run.start()
        with _round_held_open(chain, run, "east"):
            for name in ("north", "south"):
                chain.stores[name].kill()
            for name in ("north", "south"):
                chain.stores[name].start_again()
        _require_done(run, chain)


def test_a_second_coordinator_is_refused_and_harms_nothing(chain, tmp_path):
    with coordinator(chain, tmp_path / "run", *_PATIENT, **_ALL) as run:
        run.start()
        with _round_held_open(chain, run, "east"):
            second = train(*run.flags)
            assert second.returncode == 2
            assert "--output_dir must be used by one process at a time" in second.stderr
        _require_done(run, chain)


@pytest.mark.parametrize("whose", ["store", "headquarters"])
def test_a_whole_process_hangs_and_goes_on(chain, tmp_path, whose):
    """Stopped, not dead: its socket stays open, and pings find it out."""
    south = chain.stores["south"]
    with coordinator(chain, tmp_path / "run", *_PATIENT, **_ALL) as run:
        run.start()
        with _round_held_open(chain, run, "north"):
            if whose == "store":
                hung = [psutil.Process(south.daemon.process.pid), south.executor()]
            else:
                hung = [psutil.Process(run.process.pid)]
            lost = south.daemon.said().count(_LOST)
            for process in hung:
                process.send_signal(signal.SIGSTOP)
            try:
                if whose == "store":
                    assert wait_until(lambda: _is_away(run, "south"), run.process)
                else:
                    south.daemon.wait_until_said(_LOST, lost + 1)
            finally:
                for process in hung:
                    process.send_signal(signal.SIGCONT)
        _require_done(run, chain)


def _is_away(run: Coordinator, name: str) -> bool:
    with contextlib.suppress(json.JSONDecodeError, KeyError):
        return not run.status()["stores"][name]["is_connected"]
    return False


@pytest.mark.parametrize("left", ["fewer", "none", "other labels"])
def test_a_store_comes_back_with_other_photographs(chain, tmp_path, left):
    """Who has fewer counts for less; who has none is left out until it is started with some."""
    south = chain.stores["south"]
    kept = tmp_path / "kept"
    south.kill()
    shutil.copytree(south.data_dir, kept)
    _leave(south.data_dir, left)
    south.start_again()
    before = len(south.daemon.said())
    needed = len(NAMES) if left == "fewer" else len(NAMES) - 1
    settings = {"min_available_stores": needed, "min_stores": needed, "rounds": 1}
    try:
        with training(chain, tmp_path / "run", **settings) as run:
            assert run.wait() == 0, run.said()
            assert f"| {needed}/" in run.said()
        assert "round 1: trained on" not in south.daemon.said()[before:] or left == "fewer"
        assert south.daemon.process.poll() is None
    finally:
        _leave(south.data_dir, "none")  # the folder stays: an executor is confined to that one
        shutil.copytree(kept, south.data_dir, dirs_exist_ok=True)
        south.kill()
        south.start_again()
    with training(chain, tmp_path / "again", *_PATIENT, **_ALL) as again:
        _require_done(again, chain)


def _leave(photographs: pathlib.Path, left: str) -> None:
    for folder in photographs.iterdir():
        shutil.rmtree(folder)
    if left == "fewer":
        for colour, label in enumerate(LABELS):  # as many as its policy wants behind a result
            write_photographs(photographs / label, colour, num_photographs=6, seed=2)
    elif left == "other labels":
        write_photographs(photographs / "of another chain", 0, num_photographs=8, seed=2)


def test_a_store_whose_memory_ends_trains_on_fewer_at_a_time(chain, tmp_path):
    """The kernel kills its executor; the next one takes batches half as large."""
    with _store_of_its_own_kind(chain.stores["south"], "--batch_size=8") as south:
        with coordinator(chain, tmp_path / "run", *_PATIENT, rounds=1, **_ALL) as run:
            run.start()
            south.wait_until_ready()
            with memory_limit(south.executor().pid, more_mib=8):  # enough to be asked
                run.let_stores_in()
                south.daemon.wait_until_said("the executor ended (signal 9", 1)
                assert run.wait() == 0, run.said()
            assert "out of memory: training goes on with 4 examples" in south.daemon.said()
