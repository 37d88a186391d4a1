"""Starts a store's executor child with as little of the daemon's as it needs."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import secrets
import sys
from collections.abc import Callable

from datasets.private_files import make_private_folder
from tff_retail.config import ConfigurationError
from tff_retail.program.executor_environment import executor_environment
from tff_retail.program.executor_settings import ExecutorSettings

# In a home. What CUDA has compiled for a GPU newer than TensorFlow took minutes.
_CUDA_CACHE = ".nv"
# A line that a person reads; what is longer is cut.
_MAX_LINE = 2_000
# It says a line a round or two. One that was taken over must not fill the disk with its log.
_MAX_LINES = 5_000


async def start_executor(
    settings: ExecutorSettings, descriptor: int, *, module: str
) -> asyncio.subprocess.Process:
    """Starts `python -m module` with its end of a socket pair.

    It gets no descriptor but that one, and what it prints comes through a pipe: from a terminal
    itself it could read what is typed.

    Args:
      settings: of the child.
      descriptor: of the socket pair.
      module: of the child.

    Raises:
      ConfigurationError: a folder for it can't be made.
    """
    settings = _expanded(settings)
    for folder in settings.writable_dirs:
        _make(folder)
    _empty(pathlib.Path(settings.scratch_dir))
    root = str(pathlib.Path(__file__).resolve().parents[2])  # where `-m` finds the module
    # -s, -P: no packages from a home or a working directory, which a child may have written.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-s", "-P", "-m", module, str(descriptor), settings.to_json()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=executor_environment(os.environ, python_path=root, scratch=settings.scratch_dir),
        pass_fds=[descriptor],
    )


async def relay_lines(process: asyncio.subprocess.Process, say: Callable[[str], None]) -> None:
    """Says what a child prints, a line at a time, until it has ended.

    Args:
      process: of `start_executor`.
      say: told each line, with nothing in it that a terminal would obey.
    """
    assert process.stdout is not None
    num_lines, line = 0, b""
    while chunk := await process.stdout.read(2**16):
        *whole, line = (line + chunk).split(b"\n")
        line = line[: _MAX_LINE + 1]
        for each in whole:
            num_lines += 1
            if num_lines <= _MAX_LINES:
                say(_printable(each))
            elif num_lines == _MAX_LINES + 1:
                say(f"the executor said {_MAX_LINES} lines; what it says further is left out")
    if line and num_lines < _MAX_LINES:
        say(_printable(line))


def _expanded(settings: ExecutorSettings) -> ExecutorSettings:
    """With paths that mean the same to a child that has another home."""
    cache_dir = settings.cache_dir
    return dataclasses.replace(
        settings,
        data_dir=os.path.expanduser(settings.data_dir),
        cache_dir=None if cache_dir is None else os.path.expanduser(cache_dir),
    )


def _make(folder: str) -> None:
    try:
        make_private_folder(pathlib.Path(folder))
    except OSError as error:
        raise ConfigurationError(
            f"--cache_dir and --state_dir must be folders of this user's own, found {folder!r} "
            f"({error.strerror}); choose others"
        ) from error


def _empty(scratch: pathlib.Path) -> None:
    """Removes what the executors of before have left: TensorFlow's traced sources, mostly.

    One that was taken over may have nested folders deeper than any recursion and any path: a folder
    is moved up before it is looked into.
    """
    waiting = [entry for entry in scratch.iterdir() if entry.name != _CUDA_CACHE]
    while waiting:
        entry = waiting.pop()
        with contextlib.suppress(OSError):  # what can't be removed is in nobody's way
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink()
                continue
            entry.chmod(0o700)
            for inner in list(entry.iterdir()):
                raised = scratch / f"removed-{secrets.token_hex(8)}"
                inner.rename(raised)
                waiting.append(raised)
            entry.rmdir()


def _printable(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace").rstrip("\r").expandtabs()
    if len(text) > _MAX_LINE:
        text = f"{text[:_MAX_LINE]}…"
    return "".join(each if each.isprintable() else "?" for each in text)
