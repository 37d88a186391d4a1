"""`python -m tff_retail.train` as a process that is watched from outside."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.answer_lines import AnswerLines
from benchmarks.contender_process import CLONE
from benchmarks.marked_processes import marked_environment

_KIB_PER_MIB = 1024


class TrainingFailed(Exception):
    """The command ended in another way than it should; the message says where to look."""


class TrainingCommand:
    """A run of the command; see `training_command`."""

    def __init__(self, process: subprocess.Popen[bytes], started: float, log: pathlib.Path) -> None:
        assert process.stdout is not None
        self._process, self._started, self._log = process, started, log
        self._lines = AnswerLines(process.stdout.fileno())

    def seconds_until(self, pattern: str, limit_s: float) -> float:
        """Seconds from the process's start to a line whose beginning matches `pattern`.

        Raises:
          TrainingFailed: the command ended first, or nothing is heard for `limit_s`.
        """
        with self._log.open("a", encoding="utf-8") as log:
            while True:
                line = self._next_line(limit_s)
                if line is None:
                    raise TrainingFailed(f"tff_retail.train ended too early; see {self._log}")
                seconds = time.perf_counter() - self._started
                log.write(f"{seconds:8.2f}  {line}\n")
                if re.match(pattern, line):
                    return seconds

    def peak_mib(self, limit_s: float) -> float:
        """The largest resident memory of the whole run, which is waited for.

        Linux books what the parent had when it started a process on the process, too, so this one
        must be the smaller: TensorFlow must not be loaded here.

        Raises:
          RuntimeError: this process is larger than the one that it measures.
          TrainingFailed: it failed, or nothing is heard for `limit_s`.
        """
        with self._log.open("a", encoding="utf-8") as log:
            while (line := self._next_line(limit_s)) is not None:
                log.write(f"{time.perf_counter() - self._started:8.2f}  {line}\n")
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise TrainingFailed(
                f"tff_retail.train ended with exit code {self._process.returncode}; see {self._log}"
            )
        own = _own_peak_kib()
        if usage.ru_maxrss <= own:
            raise RuntimeError(f"The peak must be above this process's own, {own} KiB.")
        return usage.ru_maxrss / _KIB_PER_MIB

    def _next_line(self, limit_s: float) -> str | None:
        try:
            return self._lines.next_line(limit_s)
        except TimeoutError as error:
            raise TrainingFailed(
                f"tff_retail.train said nothing for {limit_s:.0f} s; see {self._log}"
            ) from error


def _own_peak_kib() -> int:
    """Of this process since it began to run its program (`getrusage` says its parent's, too)."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


@contextlib.contextmanager
def training_command(flags: Sequence[str], *, log: pathlib.Path) -> Iterator[TrainingCommand]:
    """Starts the command; it is killed, if it still runs, when the block ends.

    Args:
      flags: of the command.
      log: gets what it says, each line with its time, and its errors.
    """
    with marked_environment() as environment, log.open("ab") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "tff_retail.train", *flags],
            cwd=CLONE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            yield TrainingCommand(process, started, log)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
