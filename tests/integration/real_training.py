"""A chain of three real stores, and trainings over them: coordinator and daemons as processes."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import pytest

from tests.colour_run import COLOURS, write_photographs
from tests.integration.front_door import FrontDoor
from tests.integration.small_proxies import closing
from tests.integration.store_daemons import CLONE, Daemon, Fleet, start_daemon
from tests.train_command import SMALL, TIMEOUT_S, read_csv, train, wait_until, weights

LABELS = ("blue", "green 50%", "red")
NAMES = ("east", "north", "south")
# A model of 1 MB, so that a broadcast has a middle.
RUN_FLAGS = (
    *SMALL,
    "--width_multiplier=1",
    "--validation_fraction=0.3",
    "--device=cpu",
    "--min_available_stores=3",
)
_MODULE = "tests.integration.impatient_store"
SCHEDULE = {"rounds": 3, "min_stores": 2}


class RealStore:
    """A daemon that lives as long as a test module, or is started anew."""

    def __init__(self, state_dir: pathlib.Path, data_dir: pathlib.Path, door: FrontDoor) -> None:
        self.state_dir, self.data_dir, self.door = state_dir, data_dir, door
        self.daemon = self._start()

    @property
    def model(self) -> pathlib.Path:
        """The weights of the model that was delivered to it."""
        return self.state_dir / "model" / "current" / "weights.npz"

    def executor(self) -> psutil.Process:
        """Its child, which a test may stop and continue."""
        return self.daemon.child()

    def kill(self) -> None:
        """As by a power cut; its child has gone with it."""
        if self.daemon.process.poll() is None:
            children = psutil.Process(self.daemon.process.pid).children()
            self.daemon.process.kill()
            self.daemon.process.wait()
            psutil.wait_procs(children, timeout=TIMEOUT_S)

    def start_again(self, *flags: str, module: str = _MODULE) -> None:
        """After `kill`; with other flags, perhaps."""
        self.daemon = self._start(*flags, module=module)

    def wait_until_ready(self) -> None:
        """Waits until it has work that it has agreed to, from before a start or from now."""
        ready = "ready for the run"
        self.daemon.wait_until_said(ready, self._said_before.count(ready) + 1)

    def _start(self, *flags: str, module: str = _MODULE) -> Daemon:
        log = self.state_dir.with_suffix(".log")
        self._said_before = log.read_text(encoding="utf-8") if log.exists() else ""
        where = self.state_dir, self.data_dir, self.door.address
        return start_daemon(*where, "--device=cpu", *flags, module=module)


class RealChain:
    """Photographs, a fleet that stores have joined, and their daemons.

    Attributes:
      fleet: of the stores.
      stores: by name.
      simulated: the run directory of the same training in one process, three rounds.
    """

    def __init__(self, path: pathlib.Path, ending: contextlib.ExitStack) -> None:
        self.path, self.photographs = path, path / "chain"
        for seed, name in enumerate(NAMES):
            for colour in range(len(COLOURS)):
                folder = self.photographs / name / LABELS[colour]
                write_photographs(folder, colour, num_photographs=8, seed=seed)
        self.fleet = Fleet(path)
        for folder in (self.photographs, self.fleet.folder.path):
            (folder / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
        self.stores: dict[str, RealStore] = {}
        for name in NAMES:
            door = ending.enter_context(closing(FrontDoor()))
            store = RealStore(self.fleet.enrol(name), self.photographs / name, door)
            ending.callback(store.kill)
            self.stores[name] = store
        self.simulated = path / "simulated"
        where = f"--data_dir={self.photographs}", f"--output_dir={self.simulated}"
        done = train(*RUN_FLAGS, *_flags(SCHEDULE), *where)
        assert done.returncode == 0, done.stderr

    def open_to(self, address: str) -> None:
        """Lets all stores through to headquarters."""
        for store in self.stores.values():
            store.door.open_to(address)

    def shut(self) -> None:
        """Keeps all stores away that are not connected."""
        for store in self.stores.values():
            store.door.shut()

    def start_from_compiled(
        self, run: pathlib.Path, schedule: Mapping[str, Any], eval_dir: pathlib.Path | None
    ) -> None:
        """Spares a run compiling what the simulation has compiled: the same graphs."""
        config = json.loads((self.simulated / "configuration.json").read_text(encoding="utf-8"))
        config["data"] |= {"stores": "remote", "data_dir": None}
        config["data"]["eval_dir"] = None if eval_dir is None else str(eval_dir)
        config["schedule"] |= schedule
        shutil.copytree(self.simulated / "round_form", run / "round_form")
        (run / "configuration.json").write_text(json.dumps(config), encoding="utf-8")


def _flags(values: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


@contextlib.contextmanager
def real_chain(path: pathlib.Path) -> Iterator[RealChain]:
    """A chain; its processes end with the block."""
    with contextlib.ExitStack() as ending:
        yield RealChain(path, ending)


@contextlib.contextmanager
def chain_at_work(folders: pytest.TempPathFactory, name: str) -> Iterator[RealChain]:
    """A chain whose stores have trained once: they have what the manifest names from then on."""
    with real_chain(folders.mktemp(name)) as chain:
        with training(chain, folders.mktemp("first") / "run") as first:
            assert first.wait() == 0, first.said()
        yield chain


class Coordinator:
    """The training command over real stores, started and started again."""

    def __init__(
        self,
        chain: RealChain,
        run: pathlib.Path,
        *flags: str,
        key: str = "signing/manifest.key",
        eval_dir: pathlib.Path | None = None,
        **schedule: Any,
    ) -> None:
        folder = chain.fleet.folder.path
        self._chain, self.run, self._output = chain, run, run.with_suffix(".log")
        self.flags = [
            *RUN_FLAGS,
            *_flags(SCHEDULE | schedule),
            "--stores=remote",
            "--listen_address=localhost:0",
            f"--fleet_dir={folder}",
            *([f"--manifest_key={folder / key}"] if key else []),
            f"--output_dir={run}",
            "--wait_for_stores_s=120",
            *([f"--eval_dir={eval_dir}"] if eval_dir else []),
            *flags,
        ]
        self._status = folder / "status.json"
        chain.start_from_compiled(run, SCHEDULE | schedule, eval_dir)
        chain.shut()

    def start(self, *, dies_in: str = "") -> None:
        """Starts the command; the stores are not let through yet.

        Args:
          dies_in: a phase of `dying_train` in which it kills itself.
        """
        module = "tests.integration.dying_train" if dies_in else "tff_retail.train"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *self.flags],
                cwd=CLONE,
                env={**os.environ, "DIES_IN": dies_in},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def let_stores_in(self) -> None:
        """Opens the stores' doors to it, once it listens."""
        said = self.wait_until_it_says("listening for stores on ")
        self._chain.open_to(said.partition("listening for stores on ")[2].splitlines()[0])

    def kill(self) -> None:
        """As by a power cut."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """What it has printed since it was started last."""
        return self._output.read_text(encoding="utf-8")

    def status(self) -> dict[str, Any]:
        """What it wrote of its fleet."""
        found: dict[str, Any] = json.loads(self._status.read_text(encoding="utf-8"))
        return found

    def wait_until_it_says(self, text: str) -> str:
        """Everything said so far, once a text is part of it."""
        assert wait_until(lambda: text in self.said(), self.process), self.said()
        return self.said()

    def wait_for_round(self, round_num: int) -> None:
        """Waits until a round has begun: its stores are chosen and written down."""
        path = self.run / "roster.json"

        def has_begun() -> bool:
            return path.exists() and json.loads(path.read_text())["round"] == round_num

        assert wait_until(has_begun, self.process), self.said()

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def training(
    chain: RealChain, run: pathlib.Path, *flags: str, **settings: Any
) -> Iterator[Coordinator]:
    """A coordinator that was started, and whose stores are let in."""
    with coordinator(chain, run, *flags, **settings) as found:
        found.start()
        found.let_stores_in()
        yield found


@contextlib.contextmanager
def coordinator(
    chain: RealChain, run: pathlib.Path, *flags: str, **settings: Any
) -> Iterator[Coordinator]:
    """A coordinator that is not started yet; it is gone after the block."""
    found = Coordinator(chain, run, *flags, **settings)
    try:
        yield found
    finally:
        found.kill()


def require_same(run: pathlib.Path, other: pathlib.Path) -> None:
    """Fails where two runs made other models or metrics."""
    assert weights(run / "model_last") == weights(other / "model_last")
    assert weights(run / "model") == weights(other / "model")
    assert metrics_without_times(run) == metrics_without_times(other)
    assert read_csv(run / "stores.csv") == read_csv(other / "stores.csv")


def metrics_without_times(run: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a run's metrics, but for how long it took."""
    return [
        {name: value for name, value in row.items() if not name.startswith("seconds/")}
        for row in read_csv(run / "metrics.csv")
    ]
