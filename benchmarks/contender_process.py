"""A contender as the driver sees it: a process that answers orders, or a reason why it does not.

The other side is `benchmarks.contender`.
"""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil

from benchmarks.answer_lines import AnswerLines
from benchmarks.marked_processes import mark_of, marked_environment, marked_processes

CLONE = pathlib.Path(__file__).resolve().parents[1]
_PEERS = pathlib.Path(".cache", "peers")
# Killed processes of a gigabyte need a moment to give it back.
_END_S = 10.0
# TensorFlow's notes on start fill the logs in which one looks for errors.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}


class ContenderFailed(Exception):
    """It is not there, died, or took too long; the message says which."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """Who takes part.

    Attributes:
      name: in tables.
      module: run as `python -m`, such as `benchmarks.contenders.limit`.
      arguments: beside `--workload` and `--examples`.
      environment: of `.cache/peers` that it runs in, made by `make peers`; None for this one.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def interpreter(self) -> pathlib.Path:
        """The Python it runs in."""
        if self.environment is None:
            return pathlib.Path(sys.executable)
        return CLONE / _PEERS / self.environment / "bin" / "python"


class ContenderProcess:
    """A contender's process, and whatever it starts.

    Args:
      contender: who.
      arguments: what all contenders of the workload get.
      log: gets what it and its libraries print.

    Raises:
      ContenderFailed: its script or its environment is not there.
    """

    def __init__(
        self, contender: Contender, arguments: Sequence[str], *, log: pathlib.Path
    ) -> None:
        _check_presence(contender)
        self.name = contender.name
        self._log = log
        self._exit = contextlib.ExitStack()
        self._environment = self._exit.enter_context(marked_environment(_QUIET))
        command = [contender.interpreter, "-m", contender.module, *arguments, *contender.arguments]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                cwd=CLONE,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        self._lines = AnswerLines(self.fileno())

    def fileno(self) -> int:
        """Where its answers come from: readable once there is one, or once it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def wait_until_ready(self, limit_s: float) -> dict[str, str]:
        """The versions of what it runs, once it is ready.

        Raises:
          ContenderFailed: it ended first, or is not ready in time.
        """
        return dict(self._answer("getting ready", limit_s).get("versions", {}))

    def train_round(self, limit_s: float) -> tuple[int, float]:
        """Orders a round: how many pictures it trained on, and the seconds until the answer.

        Raises:
          ContenderFailed: it died, or took too long.
        """
        assert self._process.stdin is not None
        start = time.perf_counter()
        try:
            self._process.stdin.write(b"round\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ContenderFailed(self._how_it_ended()) from error
        answer = self._answer("a round", limit_s)
        seconds = time.perf_counter() - start
        return int(answer["num_examples"]), seconds

    def cpu_seconds(self) -> float:
        """What it and all its descendants have computed so far."""
        total = 0.0
        for process in marked_processes(mark_of(self._environment)):
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def close(self) -> None:
        """Ends it and all that it started, at once; may be called twice."""
        self._exit.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _answer(self, what: str, limit_s: float) -> dict[str, Any]:
        try:
            line = self._lines.next_line(limit_s)
        except TimeoutError as error:
            raise ContenderFailed(
                f"{what} took over {limit_s:g} s; see {_shown(self._log)}"
            ) from error
        if line is None:
            raise ContenderFailed(self._how_it_ended())
        try:
            return dict(json.loads(line))
        except (TypeError, ValueError) as error:
            raise ContenderFailed(f"it answered {line!r:.100}; see {_shown(self._log)}") from error

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            return f"it stopped answering; see {_shown(self._log)}"
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()[:200]}" if lines else ""
        return f"it ended with exit code {code}{last} (see {_shown(self._log)})"


def _shown(path: pathlib.Path) -> pathlib.Path:
    """As it is named from the clone, for what is told gets into the docs."""
    return path.relative_to(CLONE) if path.is_relative_to(CLONE) else path


def _check_presence(contender: Contender) -> None:
    if not contender.interpreter.exists():
        raise ContenderFailed(
            f"its environment {_shown(_PEERS / str(contender.environment))} is not there; make "
            "it with: make peers"
        )
    script = CLONE / pathlib.Path(*contender.module.split(".")).with_suffix(".py")
    if not script.exists():
        raise ContenderFailed(f"its script {contender.module} is not there")
