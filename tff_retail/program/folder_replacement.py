"""Puts a whole folder in the place of another, so that a reader finds the one or the other."""

import ctypes
import os
import pathlib
import shutil
from collections.abc import Callable

# From linux/fs.h and fcntl.h: swap two names in one step, relative paths from the working folder.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def replace_folder(folder: pathlib.Path, write: Callable[[pathlib.Path], None]) -> None:
    """Makes `folder` hold what `write` writes, and nothing else.

    `write` gets an empty folder beside the target, which is renamed when everything in it is on
    the disk. An existing folder stays whole until then and is swapped in one step where the
    system can (Linux); elsewhere two renames follow each other. What a killed process left
    behind is removed by the next call, and one process at a time writes a folder.

    Args:
      folder: the target; its parents are made.
      write: fills the folder it is given.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    old = folder.with_name(f".{folder.name}.old")
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    try:
        write(partial)
        _flush(partial)
        if folder.exists():
            _swap(partial, folder, old)
        else:
            os.rename(partial, folder)
    finally:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
    _flush_entry(folder.parent)


def _swap(new: pathlib.Path, target: pathlib.Path, old: pathlib.Path) -> None:
    if _exchange(new, target):
        return
    os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(old, target)
        raise


def _exchange(first: pathlib.Path, second: pathlib.Path) -> bool:
    """Swaps two names at once; False where the system or the file system can't."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    return rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def _flush(folder: pathlib.Path) -> None:
    """Forces every file to the disk: after a power cut a rename must not name empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    _flush_entry(folder)


def _flush_entry(folder: pathlib.Path) -> None:
    if os.name != "posix":
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
