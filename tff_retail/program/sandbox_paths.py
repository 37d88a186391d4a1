"""Which files a store's executor may reach, and which of them it may change."""

import dataclasses
import glob
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

import datasets
from tff_retail import config
from tff_retail.config import ConfigurationError
from tff_retail.program.executor_settings import ExecutorSettings

# Libraries, and what the dynamic linker, the C library, oneDNN and CUDA ask about the machine. Not
# /etc as a whole, nor /proc: it shows what other programs were started with.
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/sys", "/etc/ld.so.cache", "/etc/localtime", "/proc/self"),
    *(f"/proc/{name}" for name in ("cpuinfo", "devices", "filesystems", "meminfo", "modules")),
    *(f"/proc/{name}" for name in ("loadavg", "stat", "uptime", "version", "driver/nvidia")),
    *("/proc/sys/vm", "/proc/sys/kernel/osrelease"),
)
# The last sets the process's own peak of memory back, by which a batch size is measured.
_DEVICES = (
    *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")),
    "/proc/self/clear_refs",
)
_GPU_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SandboxPaths:
    """Files that stay in reach.

    Attributes:
      readable: files, and folders with all beneath them.
      writable: folders, likewise.
      devices: to read, write and control.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    devices: tuple[str, ...]


def sandbox_paths(settings: ExecutorSettings) -> SandboxPaths:
    """What a store's executor needs.

    Photographs that are links can be read as of now: one that is added later, when the executor
    starts again.

    Raises:
      ConfigurationError: the store's keys lie among them.
    """
    photographs = tuple(_photographs(pathlib.Path(settings.data_dir).expanduser()))
    writable = settings.writable_dirs
    _require_apart(settings, (*photographs, *writable))
    gpus = [] if settings.device == "cpu" else [p for each in _GPU_DEVICES for p in glob.glob(each)]
    return SandboxPaths(
        readable=(*_SYSTEM, *_programs(), settings.work_dir, *photographs),
        writable=writable,
        devices=(*_DEVICES, *gpus),
    )


def _programs() -> Iterator[str]:
    """Python, its packages, and ours; not the folder that ours lie in, which may hold the store's.

    Bazel shows each of our files by a link of its own.
    """
    yield from (sys.prefix, sys.base_prefix)
    yield from (path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    for inside in (pathlib.Path(str(config.__file__)).parent, pathlib.Path(str(datasets.__file__))):
        yield str(inside.parent)
        yield str(inside.resolve().parent)


def _photographs(data_dir: pathlib.Path) -> Iterator[str]:
    """The folder, and what links in it lead to, as far as `datasets/store_listing.py` follows."""
    yield str(data_dir)
    yield from _linked_files(data_dir)
    if data_dir.is_dir():
        for entry in os.scandir(data_dir):
            if entry.is_symlink() and entry.is_dir() and not entry.name.startswith("."):
                yield os.path.realpath(entry.path)
                yield from _linked_files(pathlib.Path(entry.path))


def _linked_files(folder: pathlib.Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.islink(path) and os.path.isfile(path):
                yield os.path.realpath(path)


def _require_apart(settings: ExecutorSettings, paths: Sequence[str]) -> None:
    keys = pathlib.Path(settings.keys_dir).resolve()
    for path in paths:
        if keys.is_relative_to(pathlib.Path(path).resolve()):
            raise ConfigurationError(
                "--state_dir must not lie where the executor reads photographs or writes, found "
                f"its keys, {settings.keys_dir!r}, beneath {path!r}; move the state or the "
                "photographs to a folder of their own"
            )
