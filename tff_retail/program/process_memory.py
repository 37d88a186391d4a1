"""What memory this process takes, and how much more it may: Linux, in or out of a container."""

import contextlib
import pathlib
import re
import resource
from collections.abc import Iterator

_PROC = pathlib.Path("/proc")
_CGROUPS = pathlib.Path("/sys/fs/cgroup")
# Files of the control group that say its limit and its use, of versions 2 and 1; beyond `high` it
# is slowed down to a crawl.
_LIMITS = (
    ("memory.high", "memory.current"),
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)
# Writing it to `clear_refs` sets the peak back, proc(5).
_FORGET_PEAK = "5"


class ProcessMemory:
    """Reads the kernel's counters of this process.

    Args:
      proc: where its own are.
      cgroups: where those of control groups are.
    """

    def __init__(self, proc: pathlib.Path = _PROC, cgroups: pathlib.Path = _CGROUPS) -> None:
        self._proc, self._cgroups = proc, cgroups

    def used_bytes(self) -> int:
        """What it holds now."""
        return self._status("VmRSS")

    def peak_bytes(self) -> int:
        """The most that it has held, since `forget_peak` where the kernel lets that be."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Lets `peak_bytes` begin anew."""
        with contextlib.suppress(OSError):
            (self._proc / "self" / "clear_refs").write_text(_FORGET_PEAK)

    def room_bytes(self) -> int:
        """How much more it may take: of the machine, its control groups and its own limit."""
        rooms = [_kilobytes(self._proc / "meminfo", "MemAvailable"), *self._cgroup_rooms()]
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            rooms.append(limit - self._status("VmSize"))
        return max(0, min(rooms))

    def _status(self, name: str) -> int:
        return _kilobytes(self._proc / "self" / "status", name)

    def _cgroup_rooms(self) -> Iterator[int]:
        """Of each control group around the process that has a limit."""
        for folder in self._groups():
            for limit_name, use_name in _LIMITS:
                with contextlib.suppress(OSError, ValueError):  # `max` is no number
                    limit = int((folder / limit_name).read_text())
                    use = int((folder / use_name).read_text())
                    yield limit - use + _reclaimable(folder / "memory.stat")

    def _groups(self) -> Iterator[pathlib.Path]:
        try:
            lines = (self._proc / "self" / "cgroup").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            _, kinds, path = line.split(":", 2)
            if kinds in ("", "memory"):
                top = self._cgroups / kinds
                # In a container the path may be the host's; its own group is the top then.
                inner = pathlib.PurePosixPath(path.lstrip("/"))
                yield from dict.fromkeys([top, *(top / p for p in (inner, *inner.parents))])


def _kilobytes(path: pathlib.Path, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB$", path.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{path} says no {name}")
    return int(found[1]) * 1024


def _reclaimable(path: pathlib.Path) -> int:
    """Bytes of files that the kernel drops before anything is killed."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0
