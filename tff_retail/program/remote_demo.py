"""A chain in little on one machine: headquarters and stores as processes, TLS between them.

What an operator does by hand (docs/operations.md) this does with the same commands: it makes a
fleet, has stores join it by token, and trains over them; in between one store is killed and started
again. The same training in one process follows, with its baselines.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasets.labels import LABEL_FILE
from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError
from tff_retail.program.child_commands import LOOK_EVERY_S, Child, ChildCommands
from tff_retail.program.console import RoundConsole
from tff_retail.program.run_comparison import is_same_model, missed_work
from tff_retail.program.store_outage import StoreOutage

_FLEET, _STORES, _LOGS = "fleet", "stores", "logs"
_REMOTE, _SIMULATED = "remote", "simulated"
_LOCK = "demo.lock"
# A machine with one busy core takes a minute to start seven TensorFlows.
_PATIENCE_S = 300.0
# The table at the end of a run, which says less than the demonstration's own.
_TABLE = "accuracy (top-1)"
# Of all rounds: after that part one store is killed.
_KILL_AFTER = 1 / 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What the demonstration does.

    Attributes:
      folder: gets the fleet, the stores' own folders, two run directories and the logs.
      data_dir: of the stores' photographs, with `labels.txt`.
      run_flags: of both runs.
      store_flags: of every store.
      rounds: of both runs.
    """

    folder: pathlib.Path
    data_dir: pathlib.Path
    run_flags: Sequence[str]
    store_flags: Sequence[str]
    rounds: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What came of it.

    Attributes:
      remote: what `summary.json` says of the run over the stores.
      simulated: likewise of the run in one process.
      paths: what lies where.
      killed: the store that was killed, and in which round; None where the rounds were over first.
      missed: work that the run over the stores had to do without, a clause each.
      is_same: whether the two models have equal weights, bit for bit.
    """

    remote: Mapping[str, Any]
    simulated: Mapping[str, Any]
    paths: Mapping[str, str]
    killed: tuple[str, int] | None
    missed: Sequence[str]
    is_same: bool


class RemoteDemo:
    """Runs the demonstration.

    Args:
      plan: what to do.
      console: told what happens.

    Raises:
      ConfigurationError: `data_dir` holds no chain with `labels.txt`.
    """

    def __init__(self, plan: DemoPlan, console: RoundConsole) -> None:
        self._plan, self._console, self._folder = plan, console, plan.folder
        self._labels = plan.data_dir / LABEL_FILE
        if not self._labels.is_file():
            raise ConfigurationError(
                f"--data_dir must hold {LABEL_FILE}, one label a line, found none in "
                f"{str(plan.data_dir)!r}; real stores send no label names, so write it"
            )
        self._stores = sorted(
            path.name
            for path in plan.data_dir.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )
        self._run_flags = [*plan.run_flags, f"--min_available_stores={len(self._stores)}"]

    def run(self) -> DemoResult:
        """From nothing to both models; whatever happens, no process is left.

        Raises:
          ConfigurationError: the folder holds something else, or another demonstration runs in it.
          ChildFailed: a command ended otherwise than it should.
        """
        with _fresh_folder(self._folder), ChildCommands(self._folder / _LOGS) as commands:
            outage = self._train_over_stores(commands)
            commands.stop()
            self._say("the same training in one process, and its baselines")
            flags = ["--compare_central", "--compare_local", f"--data_dir={self._plan.data_dir}"]
            self._follow(self._start_run(commands, _SIMULATED, *flags))
        remote, simulated = self._folder / _REMOTE, self._folder / _SIMULATED
        return DemoResult(
            remote=_summary(remote),
            simulated=_summary(simulated),
            paths={"model": str(remote / "model"), "logs": str(self._folder / _LOGS)},
            killed=None if outage.killed_in is None else (outage.name, outage.killed_in),
            missed=missed_work(remote, self._stores),
            is_same=is_same_model(remote / "model_last", simulated / "model_last")
            and is_same_model(remote / "model", simulated / "model"),
        )

    def _train_over_stores(self, commands: ChildCommands) -> StoreOutage:
        enrolment = self._open_enrolment(commands)
        headquarters = self._start_headquarters(commands)
        join_at = enrolment.wait_for("stores join and renew at ", within_s=_PATIENCE_S)
        work_at = headquarters.wait_for("listening for stores on ", within_s=_PATIENCE_S)
        headquarters.new_lines()  # which say the same as this:
        self._say(f"headquarters awaits its stores at {work_at}; they join at {join_at}")
        for name in self._stores:
            self._join(commands, name, join_at, work_at)
        daemons = {name: self._start_store(commands, name) for name in self._stores}
        self._say(f"{len(daemons)} stores have joined, each with a key of its own, and are started")
        name = self._stores[len(self._stores) // 2]
        outage = StoreOutage(
            name,
            daemons.pop(name),
            restart=lambda: self._start_store(commands, name),
            status=self._folder / _FLEET / "status.json",
            from_round=int(self._plan.rounds * _KILL_AFTER) + 1,
            say=self._say,
        )
        self._follow(headquarters, beside=[enrolment, *daemons.values()], outage=outage)
        return outage

    def _open_enrolment(self, commands: ChildCommands) -> Child:
        """A fleet, and the listener where stores join it."""
        fleet = self._folder / _FLEET
        commands.run("fleet", "tff_retail.fleet", "init", f"--dir={fleet}", "--hosts=localhost")
        shutil.copyfile(self._labels, fleet / LABEL_FILE)
        where = [f"--dir={fleet}", "--listen_address=localhost:0"]
        return commands.start("enrolment", "tff_retail.fleet", "serve-enrolment", *where)

    def _start_headquarters(self, commands: ChildCommands) -> Child:
        fleet = self._folder / _FLEET
        return self._start_run(
            commands,
            _REMOTE,
            "--stores=remote",
            "--listen_address=localhost:0",
            f"--fleet_dir={fleet}",
            # The demonstration approves of itself; elsewhere `fleet sign` is a step of its own.
            f"--manifest_key={fleet / 'signing' / 'manifest.key'}",
            f"--wait_for_stores_s={_PATIENCE_S:.0f}",
            f"--rejoin_wait_s={_PATIENCE_S:.0f}",
            "--nocompare_central",
            "--nocompare_local",
        )

    def _start_run(self, commands: ChildCommands, name: str, *flags: str) -> Child:
        log = "headquarters" if name == _REMOTE else name
        where = f"--output_dir={self._folder / name}"
        return commands.start(log, "tff_retail.train", *self._run_flags, *flags, where)

    def _join(self, commands: ChildCommands, name: str, join_at: str, work_at: str) -> None:
        fleet = f"--dir={self._folder / _FLEET}"
        invited = commands.run(f"invite {name}", "tff_retail.fleet", "invite", name, fleet)
        commands.run(
            f"join {name}",
            "tff_retail.store",
            "join",
            invited.splitlines()[0],
            f"--state_dir={self._folder / _STORES / name}",
            f"--enrolment_address={join_at}",
            f"--server_address={work_at}",
        )

    def _start_store(self, commands: ChildCommands, name: str) -> Child:
        return commands.start(
            name,
            "tff_retail.store",
            "--flagfile=store.flags",
            f"--state_dir={self._folder / _STORES / name}",
            f"--data_dir={self._plan.data_dir / name}",
            *self._plan.store_flags,
        )

    def _follow(
        self, child: Child, *, beside: Sequence[Child] = (), outage: StoreOutage | None = None
    ) -> None:
        """Hands on what a run says, until it has ended well."""
        is_running, has_table = True, False
        while is_running:
            is_running = child.is_running
            for line in child.new_lines():
                has_table = has_table or line.startswith(_TABLE)
                if not has_table:
                    self._say(line)
            if outage is not None:
                outage.look()
            for other in (*beside, *([outage.child] if outage else [])):
                if is_running and not other.is_running:
                    raise other.failure()
            time.sleep(LOOK_EVERY_S)
        child.finish()

    def _say(self, text: str) -> None:
        self._console.say(text)


@contextlib.contextmanager
def _fresh_folder(folder: pathlib.Path) -> Iterator[None]:
    """An empty folder for one demonstration at a time; what an earlier one left is removed."""
    is_ours = (folder / _LOCK).is_file()
    if folder.exists() and not is_ours and any(folder.iterdir()):
        raise ConfigurationError(
            f"--output_dir must be a new folder, or of an earlier demonstration, found "
            f"{str(folder)!r} with other files in it; choose another"
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        if not lock.take(wait=False):
            raise ConfigurationError(
                f"--output_dir must be used by one demonstration at a time, found {str(folder)!r} "
                "in use; wait for it, or choose another"
            )
        for name in (_FLEET, _STORES, _LOGS, _REMOTE, _SIMULATED):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in (_STORES, _LOGS):
            os.makedirs(folder / name)
        yield
    finally:
        lock.release()


def _summary(run_dir: pathlib.Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    return found
