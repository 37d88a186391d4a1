"""A whole training over real stores: coordinator and daemons as processes, TLS between them."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.colour_run import write_photographs
from tests.integration.real_training import (
    LABELS,
    NAMES,
    RealChain,
    coordinator,
    real_chain,
    require_same,
    training,
)
from tests.integration.store_daemons import CLONE
from tests.train_command import TIMEOUT_S, read_csv, wait_until, weights
from tff_retail.program.audit_report import AuditReport
from tff_retail.program.head_keeper import heads_path

# Seconds in which a store that neither hangs nor creeps has answered, on a busy machine too.
_DEADLINE_S = 6


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A chain, and a training over it: from then on its stores have what the manifest names."""
    with real_chain(tmp_path_factory.mktemp("real chain")) as chain:
        with training(chain, tmp_path_factory.mktemp("first") / "run") as run_over_stores:
            assert run_over_stores.wait() == 0, run_over_stores.said()
            yield chain, run_over_stores


@pytest.fixture
def chain(first) -> RealChain:
    return first[0]


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=CLONE,
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def test_real_stores_train_the_model_that_simulated_ones_do(first):
    chain, done = first
    require_same(done.run, chain.simulated)
    status = done.status()
    assert status["state"] == "finished"
    assert [status["stores"][name]["last_round"] for name in NAMES] == [3, 3, 3]
    for store in chain.stores.values():
        assert store.model.read_bytes() == (done.run / "model" / "weights.npz").read_bytes()


def test_what_left_the_stores_is_on_record_and_countersigned(first):
    chain, _ = first
    for name, store in chain.stores.items():
        for heads in (None, heads_path(chain.fleet.folder, name)):
            verdict = AuditReport(store.state_dir, heads).verdict()
            assert verdict.problems == () and verdict.num_countersigned > 3
        entries = map(json.loads, AuditReport(store.state_dir).json_lines(None))
        released = {
            (entry["role"], entry["round"]) for entry in entries if entry["event"] == "released"
        }
        assert {("train", 1), ("train", 2), ("train", 3)} <= released


def test_killed_in_every_phase_it_makes_the_same_model(chain, tmp_path):
    with coordinator(chain, tmp_path / "run", "--rejoin_wait_s=120") as killed:
        for phase in ("waiting", "broadcast", "collecting", "folding", "saving", "delivering"):
            killed.start(dies_in=phase)
            if phase != "waiting":
                killed.let_stores_in()
            assert killed.wait() == -9, killed.said()
            assert killed.said().endswith(f"dies in {phase}\n")
            chain.shut()
            if phase == "collecting":  # both: one result had arrived, a store has lost its memory
                chain.stores["south"].kill()
                chain.stores["south"].start_again()
        killed.start()
        killed.let_stores_in()
        assert killed.wait() == 0, killed.said()
        require_same(killed.run, chain.simulated)
        assert "the model is at 3 of 3 stores" in killed.said()


def test_connections_cut_in_mid_body_cost_nothing(chain, tmp_path):
    run, stores = tmp_path / "run", chain.stores
    for name, share in (("north", 0.4), ("south", 1.5)):  # of a broadcast, and of a result
        door = stores[name].door
        door.cut_after = door.moved + int(share * _model_bytes(chain))
    with training(chain, run) as cut:
        assert cut.wait() == 0, cut.said()
        assert [stores[name].door.cut_after for name in ("north", "south")] == [None, None]
        assert "no result of" not in cut.said()
        require_same(run, chain.simulated)


def test_a_network_that_delays_repeats_and_spoils_costs_nothing(chain, tmp_path):
    """TLS finds what was repeated or spoilt in mid-body; the store dials again."""
    doors = {name: store.door for name, store in chain.stores.items()}
    doors["east"].latency_s = 0.02
    spoils = {"north": lambda piece: piece + piece, "south": lambda piece: _flipped(piece)}
    for name, share in (("north", 0.4), ("south", 1.5)):  # of a broadcast, and of a result
        doors[name].spoil = spoils[name]
        doors[name].spoil_after = doors[name].moved + int(share * _model_bytes(chain))
    times = {name: _times_lost(chain, name) for name in NAMES}
    try:
        with training(chain, tmp_path / "run") as disturbed:
            assert disturbed.wait() == 0, disturbed.said()
            assert "no result of" not in disturbed.said()
            require_same(disturbed.run, chain.simulated)
        assert [_times_lost(chain, name) - times[name] for name in spoils] == [1, 1]
    finally:
        doors["east"].latency_s = 0.0


def _flipped(piece: bytes) -> bytes:
    middle = len(piece) // 2
    return piece[:middle] + bytes([piece[middle] ^ 1]) + piece[middle + 1 :]


def _times_lost(chain: RealChain, name: str) -> int:
    return chain.stores[name].daemon.said().count("The connection to headquarters was lost")


def _model_bytes(chain: RealChain) -> int:
    return (chain.simulated / "model" / "weights.npz").stat().st_size


def test_a_store_that_is_gone_is_named_and_the_quorum_goes_on(chain, tmp_path):
    south = chain.stores["south"]
    south.executor().suspend()  # it never answers
    flags = ("--rejoin_wait_s=0",)
    try:
        with training(chain, tmp_path / "run", *flags, rounds=1) as shorthanded:
            shorthanded.wait_for_round(1)
            south.kill()
            assert shorthanded.wait() == 0, shorthanded.said()
            assert "round 1: no result of south: the connection was lost" in shorthanded.said()
            assert _asked_and_done(shorthanded.run) == ("3", "2")
    finally:
        south.kill()
        south.start_again()


def _asked_and_done(run: pathlib.Path) -> tuple[str, str]:
    (row,) = read_csv(run / "metrics.csv")
    return row["stores/asked"], row["stores/done"]


def test_who_hangs_or_creeps_is_late_and_holds_nobody_up(chain, tmp_path):
    """One store hangs, another has a link of 100 kB/s: 10 s for a model of 1 MB."""
    hanging, creeping = chain.stores["north"].executor(), chain.stores["south"].door
    hanging.suspend()
    creeping.bytes_per_s = 100_000
    try:
        flags = (f"--round_deadline_s={_DEADLINE_S}",)
        with training(chain, tmp_path / "run", *flags, rounds=1, min_stores=1) as late:
            assert late.wait() == 0, late.said()
            for name in ("north", "south"):
                assert (
                    f"round 1: no result of {name}: too late, --round_deadline_s={_DEADLINE_S} was "
                    "over; it is discarded"
                ) in late.said()
            assert _asked_and_done(late.run) == ("3", "1")
            assert late.status()["stores"]["east"]["last_seconds"] < _DEADLINE_S / 2
    finally:
        creeping.bytes_per_s = 0
        hanging.resume()


def test_overselection_does_not_wait_for_who_hangs(chain, tmp_path):
    hanging = chain.stores["north"].executor()
    hanging.suspend()
    try:
        flags = ("--overselect=0.5", f"--round_deadline_s={_DEADLINE_S}")
        with training(chain, tmp_path / "run", *flags, rounds=1, participation=0.6) as chosen:
            assert chosen.wait() == 0, chosen.said()
            assert (
                "round 1: no result of north: not waited for, 2 others were faster" in chosen.said()
            )
            (row,) = read_csv(chosen.run / "metrics.csv")
            assert float(row["seconds/training"]) < _DEADLINE_S
            assert _asked_and_done(chosen.run) == ("3", "2")
    finally:
        hanging.resume()


def test_a_store_that_is_revoked_in_mid_round_gives_nothing_more(chain, tmp_path):
    north, folder = chain.stores["north"], chain.fleet.folder.path
    files = (folder / "revoked.json", chain.fleet.folder.stores.path("north"))
    before = [file.read_bytes() for file in files]
    executor = north.executor()
    executor.suspend()  # it has been asked, and does not answer yet
    try:
        with training(chain, tmp_path / "run", "--rejoin_wait_s=0", rounds=1) as revoking:
            revoking.wait_for_round(1)
            _command("tff_retail.fleet", "revoke", "north", f"--dir={folder}")
            executor.resume()
            assert revoking.wait() == 0, revoking.said()
            sentence = "the certificate of north was revoked; ask for a new invitation"
            assert f"round 1: no result of north: it was refused: {sentence}" in revoking.said()
            assert _asked_and_done(revoking.run) == ("3", "2")
            north.daemon.wait_until_said(f"Headquarters refused this store: {sentence}", 1)
    finally:
        executor.resume()
        for file, content in zip(files, before, strict=True):
            file.write_bytes(content)


def test_who_approves_need_not_be_who_runs(chain, tmp_path):
    """The coordinator has no key: `fleet sign` approves the run, then its model."""
    run, folder = tmp_path / "run", chain.fleet.folder.path

    with training(chain, run, key="") as unsigned:
        unsigned.wait_until_it_says("waiting up to 120 s for this run to be approved: python -m")
        _command("tff_retail.fleet", "sign", str(run), f"--dir={folder}")
        assert unsigned.wait() == 0, unsigned.said()
        assert weights(run / "model_last") == weights(chain.simulated / "model_last")
        assert "the model goes to the stores once it is signed" in unsigned.said()
        _command("tff_retail.fleet", "sign", str(run), f"--dir={folder}")
        unsigned.start()
        said = unsigned.wait_until_it_says("delivering its model on ")
        chain.open_to(said.partition("delivering its model on ")[2].split()[0])
        assert unsigned.wait() == 0, unsigned.said()
        assert "the model is at 3 of 3 stores" in unsigned.said()


def test_a_fleet_that_does_not_come_ends_the_run_with_its_names(chain, tmp_path):
    with coordinator(chain, tmp_path / "run", "--wait_for_stores_s=1") as alone:
        alone.start()
        assert alone.wait() == 1
        assert alone.said().splitlines()[-1] == (
            "error: --min_available_stores needs 3 stores, and 0 were there after 1 s (none); "
            "missing: east (has not connected); north (has not connected); "
            "south (has not connected)"
        )


def test_a_notebook_calls_a_process_over_real_stores(chain, tmp_path):
    chain.shut()
    output = tmp_path / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.fleet_notebook", str(chain.path)],
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        assert wait_until(lambda: "listening on " in output.read_text(), process)
        chain.open_to(output.read_text().partition("listening on ")[2].splitlines()[0])
        assert process.wait(TIMEOUT_S) == 0, output.read_text()
        assert output.read_text().splitlines()[-1] == "the same", output.read_text()
    finally:
        process.kill()
        process.wait()


def test_headquarters_own_test_set_counts_in_a_run_over_real_stores(chain, tmp_path):
    test_set = tmp_path / "test set"
    write_photographs(test_set / LABELS[0], 0, num_photographs=2, seed=99)
    with training(chain, tmp_path / "run", eval_dir=test_set, rounds=1) as measured:
        assert measured.wait() == 0, measured.said()
        (row,) = read_csv(measured.run / "metrics.csv")
        assert float(row["eval/num_examples"]) == 2
        first, *_ = read_csv(chain.simulated / "stores.csv")
        assert read_csv(measured.run / "stores.csv")[0] == first  # stores evaluate all the same
        assert (measured.run / "predictions.png").exists()


@pytest.mark.soak
def test_a_half_open_connection_costs_half_a_minute_and_no_result(chain, tmp_path):
    """Nothing moves any more in the middle of a broadcast, and nobody is told: pings find it."""
    north = chain.stores["north"]
    lost = "not connected: The connection to headquarters was lost"
    times = north.daemon.said().count(lost)
    chain.shut()
    north.door.freeze_after = north.door.moved + _model_bytes(chain) // 2
    with training(chain, tmp_path / "run", "--rejoin_wait_s=120") as frozen:
        north.daemon.wait_until_said(lost, times + 1)
        assert not north.door.passes.is_set()
        north.door.passes.set()
        assert frozen.wait() == 0, frozen.said()
        assert "no result of" not in frozen.said()
        require_same(frozen.run, chain.simulated)
