"""Processes that a benchmark started, and all that these started: found and ended for sure.

A process group is not enough: Ray's and TFF's daemons may leave it. What a process inherits and
does not lose is its environment, so a mark is put there.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping

import psutil

_VARIABLE = "TFF_RETAIL_BENCHMARK"
_LAST_WAIT_S = 5.0
_LOOKS = 10


@contextlib.contextmanager
def marked_environment(additions: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """An environment for processes; when the block ends, however it ends, so do they.

    Args:
      additions: variables beside this process's own.
    """
    mark = f"{os.getpid()}-{uuid.uuid4()}"
    try:
        yield {**os.environ, **(additions or {}), _VARIABLE: mark}
    finally:
        _end(mark)


def marked_processes(mark: str) -> list[psutil.Process]:
    """All processes that carry a mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_VARIABLE) == mark:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # another user's, or gone by now
    return found


def mark_of(environment: Mapping[str, str]) -> str:
    """The mark in an environment of `marked_environment`."""
    return environment[_VARIABLE]


def _end(mark: str) -> None:
    # More than once: a process may start another between the look and the end.
    for _ in range(_LOOKS):
        processes = marked_processes(mark)
        if not processes:
            return
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=_LAST_WAIT_S)
