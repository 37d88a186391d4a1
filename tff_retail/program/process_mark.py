"""Tells later whether a process that wrote something is still there, be its number used again."""

import socket
from collections.abc import Mapping
from typing import Any

import psutil

RUNNING, ENDED, UNKNOWN = "running", "ended", "unknown"
# Whoever writes a mark again and again writes it that often: an older one is of a process that is
# gone, be it on another machine.
SIGN_OF_LIFE_S = 30.0
# The kernel counts a process's start in hundredths of a second, from a boot that clocks move.
_CLOCK_STEP_S = 5.0


def process_mark() -> dict[str, Any]:
    """What tells this process from others: machine, number and start; JSON values."""
    process = psutil.Process()
    return {"host": socket.gethostname(), "id": process.pid, "started": process.create_time()}


def process_state(mark: Mapping[str, Any] | None) -> str:
    """How the process fares that `process_mark` was called in.

    Args:
      mark: what it gave; None where that was not kept.

    Returns:
      `running`, `ended`, or `unknown` where it ran on another machine.
    """
    if mark is None or mark.get("host") != socket.gethostname():
        return UNKNOWN
    try:
        started = psutil.Process(mark["id"]).create_time()
    except psutil.NoSuchProcess:
        return ENDED
    except psutil.AccessDenied:
        return RUNNING
    return RUNNING if abs(started - mark["started"]) < _CLOCK_STEP_S else ENDED
