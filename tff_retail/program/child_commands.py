"""Other commands of tff_retail as child processes, which end when this process ends."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Self

from tff_retail.program.parent_death import die_with_parent

# Between two looks at what a child has said.
LOOK_EVERY_S = 0.05
# A store's daemon leaves within 10 s of SIGTERM, whatever it is doing.
_FAREWELL_S = 15.0
# What runs here is on this machine: no proxy of the user's lies between.
_DIRECT = {"no_proxy": "localhost", "NO_PROXY": "localhost"}


class ChildFailed(Exception):
    """A child ended otherwise than it should; the message says which, how, and its last line."""


@dataclasses.dataclass
class Child:
    """A command that runs, or ran.

    Attributes:
      name: of the child, for people.
      log: file with all that it printed.
      process: itself.
    """

    name: str
    log: pathlib.Path
    process: subprocess.Popen[bytes]
    _num_read: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def said(self) -> str:
        """All that it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def new_lines(self) -> list[str]:
        """The whole lines that it printed since the last call."""
        lines = self.said().split("\n")[:-1]
        new, self._num_read = lines[self._num_read :], len(lines)
        return new

    def wait_for(self, beginning: str, *, within_s: float) -> str:
        """What follows `beginning` on the first line that begins so.

        Raises:
          ChildFailed: it ended before, or takes longer than that.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            was_running = self.is_running
            for line in self.said().split("\n")[:-1]:
                if line.startswith(beginning):
                    return line.removeprefix(beginning)
            if not was_running:
                raise self.failure()
            time.sleep(LOOK_EVERY_S)
        raise ChildFailed(f"{self.name} did not say {beginning!r} within {within_s:.0f} s")

    def finish(self) -> str:
        """Waits for its end; what it printed.

        Raises:
          ChildFailed: its exit code is not 0.
        """
        if self.process.wait() != 0:
            raise self.failure()
        return self.said()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def failure(self) -> ChildFailed:
        """Says how it ended."""
        code = self.process.returncode
        ending = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = next((line for line in reversed(self.said().splitlines()) if line.strip()), "")
        return ChildFailed(f"{self.name} ended with {ending}: {last.strip()} (see {self.log})")


class ChildCommands:
    """Starts commands and ends them; a context manager that leaves none behind.

    A kill of this process ends them too (`die_with_parent`), and Ctrl-C reaches them only through
    this process, which ends them in order.

    Args:
      logs: folder of what they print, a file each.
    """

    def __init__(self, logs: pathlib.Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def start(self, name: str, module: str, *arguments: str) -> Child:
        """Starts `python -m <module> <arguments>`.

        Args:
          name: of the child; a second one of the same name goes on in the same log.
          module: an entry point.
          arguments: of it.
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**os.environ, **_DIRECT},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_bound_to(os.getpid()),
            )
        child = Child(name, log, process)
        self._children.append(child)
        return child

    def run(self, name: str, module: str, *arguments: str) -> str:
        """Starts a command and waits for its end; what it printed.

        Raises:
          ChildFailed: its exit code is not 0.
        """
        return self.start(name, module, *arguments).finish()

    def stop(self) -> None:
        """Asks all to stop, and kills those that don't."""
        running = [child for child in self._children if child.is_running]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + _FAREWELL_S
        for child in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(deadline - time.monotonic(), 0.0))
            child.kill()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:  # an impatient second interrupt
            for child in self._children:
                child.kill()


def _bound_to(parent: int) -> Callable[[], None]:
    # Runs between fork and exec: safe, since no other thread of this process is at work.
    return functools.partial(die_with_parent, parent)
