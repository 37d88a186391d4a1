"""A whole training over real stores: coordinator and daemons as processes, TLS between them."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.colour_run import COLOURS, write_photographs
from tests.integration.store_daemons import CLONE, Fleet, start_daemon
from tests.train_command import SMALL, TIMEOUT_S, read_csv, wait_until, weights

LABELS = ("blue", "green 50%", "red")
NAMES = ("east", "north", "south")
RUN_FLAGS = (
    *SMALL,
    "--rounds=3",
    "--validation_fraction=0.3",
    "--device=cpu",
    "--min_stores=2",
    "--min_available_stores=3",
)

# Seconds of work in a round, so that there is a middle to kill it in.
SLOW_EPOCHS = 500
SLOW = (f"--local_epochs={SLOW_EPOCHS}", "--rounds=2", "--augmentation=none")


class Chain:
    """A chain of three stores: photographs, a fleet they have joined, and the simulated model."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.photographs = path, path / "chain"
        for seed, name in enumerate(NAMES):
            for colour in range(len(COLOURS)):
                folder = self.photographs / name / LABELS[colour]
                write_photographs(folder, colour, num_photographs=8, seed=seed)
        self.fleet = Fleet(path)
        self.states = {name: self.fleet.enrol(name) for name in NAMES}
        for folder in (self.photographs, self.fleet.folder.path):
            (folder / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")

    def simulate(self, run: pathlib.Path, *flags: str) -> pathlib.Path:
        """The run directory of the same training in one process."""
        self.start_from_compiled(run, flags, "simulated")
        where = (f"--data_dir={self.photographs}", f"--output_dir={run}")
        done = _command([*RUN_FLAGS, *flags, *where])
        assert done.returncode == 0, done.stderr
        return run

    def start_from_compiled(self, run: pathlib.Path, flags: Sequence[str], stores: str) -> None:
        """Spares a run compiling what the first one has compiled: the same graphs."""
        compiled = self.path / "simulated"
        if compiled == run:
            return
        config = json.loads((compiled / "configuration.json").read_text(encoding="utf-8"))
        config["data"]["stores"] = stores
        if stores == "remote":
            config["data"]["data_dir"] = None
        if set(SLOW) <= set(flags):
            config["learning"] |= {"local_epochs": SLOW_EPOCHS, "augmentation": "none"}
            config["schedule"]["rounds"] = 2
        shutil.copytree(compiled / "round_form", run / "round_form")
        (run / "configuration.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Chain:
    return Chain(tmp_path_factory.mktemp("real chain"))


@pytest.fixture(scope="module")
def simulated(chain) -> pathlib.Path:
    return chain.simulate(chain.path / "simulated")


@pytest.fixture(scope="module")
def slowly_simulated(chain, simulated) -> pathlib.Path:
    return chain.simulate(chain.path / "slowly simulated", *SLOW)


def _command(flags) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tff_retail.train", *flags],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


class Coordinator:
    """The training command over real stores, started and started again."""

    def __init__(
        self, chain: Chain, run: pathlib.Path, *flags: str, key: str = "signing/manifest.key"
    ) -> None:
        folder = chain.fleet.folder.path
        self.run, self.output = run, run.with_suffix(".log")
        self.status = folder / "status.json"
        self.flags = [
            *RUN_FLAGS,
            "--stores=remote",
            "--listen_address=localhost:0",
            f"--fleet_dir={folder}",
            *([f"--manifest_key={folder / key}"] if key else []),
            f"--output_dir={run}",
            "--wait_for_stores_s=120",
            *flags,
        ]
        chain.start_from_compiled(run, flags, "remote")
        self.process = self.start()

    def kill_and_start_again(self) -> None:
        """As by a power cut; it listens where it did."""
        address = self.address()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.start(f"--listen_address={address}")

    def wait_for_work(self, name: str, round_num: int) -> None:
        """Waits until a store is in the middle of its training in a round."""

        def is_at_work() -> bool:
            try:
                status = json.loads(self.status.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return False
            report = status["stores"].get(name, {}).get("report") or {}
            at = report.get("state"), report.get("code"), report.get("values", {}).get("round")
            return at == ("working", "train", round_num)

        assert wait_until(is_at_work, self.process), self.said()

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tff_retail.train", *self.flags, *flags],
                cwd=CLONE,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_until_it_says(self, text: str) -> str:
        assert wait_until(lambda: text in self.said(), self.process), self.said()
        return self.said()

    def address(self) -> str:
        said = self.wait_until_it_says("listening for stores on ")
        return said.partition("listening for stores on ")[2].splitlines()[0]

    def wait(self) -> int:
        return self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def _running(chain: Chain, run: pathlib.Path, *flags: str, **settings: str):
    """A coordinator and the stores that have been told its address."""
    coordinator, daemons = Coordinator(chain, run, *flags, **settings), {}
    try:
        address = coordinator.address()
        for name in NAMES:
            daemons[name] = _daemon(chain, name, address)
        yield coordinator, daemons
    finally:
        for process in (coordinator.process, *(each.process for each in daemons.values())):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _daemon(chain: Chain, name: str, address: str):
    return start_daemon(chain.states[name], chain.photographs / name, address, "--device=cpu")


def _metrics(run: pathlib.Path) -> list[dict[str, str]]:
    return [
        {name: value for name, value in row.items() if not name.startswith("seconds/")}
        for row in read_csv(run / "metrics.csv")
    ]


def test_real_stores_train_the_model_that_simulated_ones_do(chain, simulated, tmp_path):
    with _running(chain, tmp_path / "run") as (coordinator, daemons):
        assert coordinator.wait() == 0, coordinator.said()
        run = coordinator.run
        assert weights(run / "model_last") == weights(simulated / "model_last")
        assert weights(run / "model") == weights(simulated / "model")
        assert _metrics(run) == _metrics(simulated)
        assert read_csv(run / "stores.csv") == read_csv(simulated / "stores.csv")
        status = json.loads(coordinator.status.read_text(encoding="utf-8"))
        assert status["state"] == "finished"
        assert [status["stores"][name]["last_round"] for name in NAMES] == [3, 3, 3]
        for name in NAMES:
            installed = chain.states[name] / "model" / "current" / "weights.npz"
            assert installed.read_bytes() == (run / "model" / "weights.npz").read_bytes()


def test_what_is_killed_and_started_again_costs_nothing(chain, slowly_simulated, tmp_path):
    run = tmp_path / "run"
    with _running(chain, run, *SLOW, "--rejoin_wait_s=120") as (coordinator, daemons):
        coordinator.wait_for_work("south", 1)
        coordinator.kill_and_start_again()
        coordinator.wait_for_work("south", 2)
        daemons["south"].process.kill()
        daemons["south"].process.wait()
        daemons["south"] = _daemon(chain, "south", coordinator.address())
        assert coordinator.wait() == 0, coordinator.said()
        assert weights(run / "model_last") == weights(slowly_simulated / "model_last")
        assert _metrics(run) == _metrics(slowly_simulated)


def test_a_store_that_is_gone_is_named_and_the_quorum_goes_on(chain, simulated, tmp_path):
    run = tmp_path / "run"
    with _running(chain, run, *SLOW, "--rejoin_wait_s=0") as (coordinator, daemons):
        coordinator.wait_for_work("south", 1)
        daemons["south"].process.kill()
        coordinator.wait_for_work("north", 2)
        assert "round 1: no result of south: its connection was lost" in coordinator.said()
        (row,) = read_csv(run / "metrics.csv")
        assert (row["stores/asked"], row["stores/done"]) == ("3", "2")


def test_who_approves_need_not_be_who_runs(chain, simulated, tmp_path):
    """The coordinator has no key: `fleet sign` approves the run, then its model."""
    run, folder = tmp_path / "run", chain.fleet.folder.path

    def sign() -> None:
        command = [sys.executable, "-m", "tff_retail.fleet", "sign", str(run), f"--dir={folder}"]
        subprocess.run(command, cwd=CLONE, check=True, capture_output=True, timeout=TIMEOUT_S)

    with _running(chain, run, key="") as (coordinator, daemons):
        coordinator.wait_until_it_says("waiting up to 120 s for this run to be approved: python -m")
        sign()
        assert coordinator.wait() == 0, coordinator.said()
        assert weights(run / "model_last") == weights(simulated / "model_last")
        assert "the model goes to the stores once it is signed" in coordinator.said()
        sign()
        coordinator.start(f"--listen_address={coordinator.address()}")
        assert coordinator.wait() == 0, coordinator.said()
        assert "the model is at 3 of 3 stores" in coordinator.said()


def test_a_fleet_that_does_not_come_ends_the_run_with_its_names(chain, simulated, tmp_path):
    coordinator = Coordinator(chain, tmp_path / "run", "--wait_for_stores_s=1")
    assert coordinator.wait() == 1
    assert coordinator.said().splitlines()[-1] == (
        "error: --min_available_stores needs 3 stores, and 0 were there after 1 s (none); "
        "missing: east (has not connected); north (has not connected); south (has not connected)"
    )


def test_a_notebook_calls_a_process_over_real_stores(chain, simulated):
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.fleet_notebook", str(chain.path)],
        cwd=CLONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "the same", done.stdout
