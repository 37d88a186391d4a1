"""Disks that fill, clocks that jump and memory that ends, for processes that tests start."""

import contextlib
import errno
import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

_MIB = 1024 * 1024
# Debian's package `faketime`; MT is for programs with threads.
_FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
_CGROUPS = pathlib.Path("/sys/fs/cgroup")


@contextlib.contextmanager
def small_disk(path: pathlib.Path, *, mib: int) -> Iterator[pathlib.Path]:
    """A folder with a file system of its own, in memory; skips where the user may not mount one."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def full(disk: pathlib.Path) -> Iterator[None]:
    """Leaves no byte free while the block lasts."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (_MIB, 4096, 1):
                with contextlib.suppress(_Full):
                    while True:
                        _write(file.fileno(), bytes(size))
        yield
    finally:
        filler.unlink()


class _Full(Exception):
    pass


def _write(descriptor: int, content: bytes) -> None:
    try:
        os.write(descriptor, content)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from error


class JumpingClock:
    """The clock of the processes that are started meanwhile; skips where `faketime` is missing.

    Only what the wall clock says is moved: a machine's monotonic clock does not jump with it.

    Args:
      folder: for the file that says how far off it is.
      patch: sets the environment.
    """

    def __init__(self, folder: pathlib.Path, patch: pytest.MonkeyPatch) -> None:
        if not _FAKETIME.exists():
            pytest.skip("a clock that jumps needs libfaketime: apt-get install faketime")
        self._path = folder / "clock"
        self.set_days(0)
        patch.setenv("LD_PRELOAD", str(_FAKETIME))
        patch.setenv("FAKETIME_TIMESTAMP_FILE", str(self._path))
        patch.setenv("FAKETIME_NO_CACHE", "1")
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")

    def set_days(self, days: int) -> None:
        """Sets the clock so many days off."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{days:+d}d\n")
        temporary.replace(self._path)


@contextlib.contextmanager
def memory_limit(process: int, *, more_mib: int) -> Iterator[None]:
    """Lets a process have so much more memory than it has, or the kernel kills it.

    Skips where the user may make no control group.
    """
    is_unified = (_CGROUPS / "cgroup.controllers").exists()
    parent = _CGROUPS if is_unified else _CGROUPS / "memory"
    limit = "memory.max" if is_unified else "memory.limit_in_bytes"
    group = parent / f"tff_retail_{process}"
    try:
        group.mkdir()
        # What it had before stays booked where it was; what it takes from now on is booked here.
        (group / limit).write_text(str(more_mib * _MIB))
    except OSError as error:
        pytest.skip(f"a memory limit needs a control group: {error}")
    try:
        (group / "cgroup.procs").write_text(str(process))
        yield
    finally:
        _remove(group)


def _remove(group: pathlib.Path) -> None:
    """Once its processes are gone, or were moved."""
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (group.parent / "cgroup.procs").write_text(pid)
    group.rmdir()
