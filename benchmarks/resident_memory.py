"""Resident memory of this process, now and at its peak, as the kernel counts it."""

import pathlib

_BYTES_PER_KIB = 1024
# Of /proc/PID/clear_refs, see proc(5): the peak begins anew from what is resident now.
_FORGET_PEAK = "5"


def resident_bytes() -> int:
    """What is resident now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most that was resident at a time since `forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Lets the peak begin anew."""
    pathlib.Path("/proc/self/clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def _status(name: str) -> int:
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * _BYTES_PER_KIB
