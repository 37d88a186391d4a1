"""A store's executor child as it is, which turns on the store when it is there.

A hole in TensorFlow would let a graph do so. It prints what it could do, by name, as JSON; an
outcome is `done` or the name of the error. Then it crashes: the first one by a bad pointer, the
second before TensorFlow is loaded.
"""

import ctypes
import errno
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

from tff_retail.program import executor_child
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.parent_death import die_with_parent
from tff_retail.program.system_call import system_call

BEGINNING = "the attacker did "
_TIOCSTI = 0x5412
_NEW_USER = 0x10000000
_AT_EMPTY_PATH = 0x1000


def _write(path: pathlib.Path) -> None:
    path.open("r+b" if path.exists() else "xb").close()


def _run_from_memory() -> None:
    """A program that was never a file."""
    descriptor = os.memfd_create("program")
    os.write(descriptor, b"#!/bin/sh\n")
    system_call("execveat", descriptor, b"", None, None, _AT_EMPTY_PATH)


def _connect_what_is_there() -> None:
    with socket.socketpair()[0] as one:
        one.connect("/run/any")


def attempts(settings: ExecutorSettings) -> dict[str, Callable[[], Any]]:
    """What an attacker would try, by name."""
    photograph = next(pathlib.Path(settings.data_dir).rglob("*.png"))
    keys, daemon = pathlib.Path(settings.keys_dir), settings.parent
    memory = ctypes.create_string_buffer(64)
    return {
        "a TCP socket": lambda: socket.socket(socket.AF_INET),
        "a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "an IPv6 socket": lambda: socket.socket(socket.AF_INET6),
        "a UNIX socket": lambda: socket.socket(socket.AF_UNIX),
        "a netlink socket": lambda: socket.socket(socket.AF_NETLINK),
        "connect a socket it has": _connect_what_is_there,
        "an io_uring": lambda: system_call("io_uring_setup", 1, 0),
        "read the store's key": lambda: (keys / "store.key").read_bytes(),
        "list the store's keys": lambda: os.listdir(keys),
        "read /etc/passwd": lambda: pathlib.Path("/etc/passwd").read_bytes(),
        "read a file beside the photographs": (
            pathlib.Path(settings.data_dir).parent / "outside.txt"
        ).read_bytes,
        "list processes": lambda: os.listdir("/proc"),
        "read the daemon's environment": pathlib.Path(f"/proc/{daemon}/environ").read_bytes,
        "read the daemon's memory": lambda: open(f"/proc/{daemon}/mem", "rb"),
        "copy the daemon's memory": lambda: system_call(
            "process_vm_readv", daemon, memory, 1, memory, 1, 0
        ),
        "trace the daemon": lambda: system_call("ptrace", 16, daemon, 0, 0),
        "signal the daemon": lambda: os.kill(daemon, signal.SIGCONT),
        "hold the daemon": lambda: os.pidfd_open(daemon),
        "change a photograph": lambda: _write(photograph),
        "add a photograph": lambda: _write(photograph.with_name("new.png")),
        "remove a photograph": photograph.unlink,
        "rename a photograph": lambda: photograph.rename(photograph.with_suffix(".old")),
        "cut a photograph": lambda: os.truncate(photograph, 0),
        "open up a photograph": lambda: photograph.chmod(0o666),
        "date a photograph": lambda: os.utime(photograph, (0, 0)),
        "link a photograph into the cache": lambda: os.link(
            photograph, pathlib.Path(settings.scratch_dir) / "link.png"
        ),
        "lay a link for others": lambda: (pathlib.Path(settings.scratch_dir) / "link").symlink_to(
            keys
        ),
        "lay a pipe for others": lambda: os.mkfifo(pathlib.Path(settings.scratch_dir) / "pipe"),
        "change an approved graph": lambda: _write(pathlib.Path(settings.work_dir) / ("0" * 64)),
        "write to /tmp": lambda: _write(pathlib.Path("/tmp/tff_retail_attack")),
        "plant a package": lambda: _write(pathlib.Path(executor_child.__file__).parent / "evil.py"),
        "run a program": lambda: subprocess.run(["/bin/true"]),
        "run a program from memory": _run_from_memory,
        "type into the terminal": lambda: fcntl.ioctl(1, _TIOCSTI, b"x"),
        "a namespace": lambda: system_call("unshare", _NEW_USER),
        "mount": lambda: system_call("mount", b"none", b"/", b"tmpfs", 0, 0),
        "a kernel program": lambda: system_call("bpf", 0, memory, 64),
        "the kernel's keys": lambda: system_call("keyctl", 0, -3, 0),
        "become another user": lambda: os.setuid(1),
        # What it must be able to do, or it could not work.
        "read a photograph": photograph.read_bytes,
        "write its cache": lambda: _write(pathlib.Path(settings.cache_dir or "") / "mine"),
        "set back its peak of memory": lambda: pathlib.Path("/proc/self/clear_refs").write_text(
            "5"
        ),
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "start a thread": lambda: threading.Thread(target=int).start(),
        "a pair of sockets": socket.socketpair,
    }


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def _descriptors() -> list[str]:
    """What is behind each descriptor of this process that can be read or written."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with (
            open(f"/proc/self/fdinfo/{name}")
            if os.path.exists(f"/proc/self/fdinfo/{name}")
            else open(os.devnull) as info
        ):
            flags = next((int(line.split()[1], 8) for line in info if "flags" in line), os.O_PATH)
        if not flags & os.O_PATH:
            found.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
    return found


def _attack(settings: ExecutorSettings, inherited: list[str]) -> None:
    outcomes = {name: _outcome(attempt) for name, attempt in attempts(settings).items()}
    found = {"outcomes": outcomes, "environment": dict(os.environ), "descriptors": inherited}
    # A line of the log has 2,000 characters at most.
    (pathlib.Path(settings.measured_dir) / "found.json").write_text(json.dumps(found))
    print(f"{BEGINNING}what it could\x1b[31m", flush=True)
    ctypes.string_at(0)


def _take_over(parent: int) -> None:
    """Called when the child is confined, and TensorFlow not there yet."""
    die_with_parent(parent)
    settings = ExecutorSettings.from_json(sys.argv[2])
    inherited = _descriptors()
    if (pathlib.Path(settings.measured_dir) / "found.json").exists():
        os.abort()
    from tff_retail.program.store_executor import StoreExecutor

    async def attend(self: StoreExecutor) -> None:
        thread = threading.Thread(target=_attack, args=(settings, inherited))
        thread.start()
        thread.join()

    mock.patch.object(StoreExecutor, "attend", attend).start()


if __name__ == "__main__":
    mock.patch.object(executor_child, "die_with_parent", _take_over).start()
    executor_child.start_child(sys.argv[1:])
