"""Files that only their owner can read, written so that a kill never leaves half of one."""

import contextlib
import errno
import fcntl
import glob
import itertools
import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

from tff_retail.config import ConfigurationError

TEMPORARY_MARK = ".tmp-"
_counter = itertools.count()
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def make_private_folder(folder: pathlib.Path) -> None:
    """Makes `folder` and those above it where missing; `folder` itself for its owner alone.

    Raises:
      OSError: it can't be made, or belongs to someone else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The kernel lets root, who runs most containers, write where the owner said read-only.
    if not folder.exists() and not folder.parent.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, "read-only", str(folder.parent))
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A private file to write that takes the name `path` when all of it is on the disk."""
    temporary = path.with_name(f"{path.name}{TEMPORARY_MARK}{os.getpid()}-{next(_counter)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(path: pathlib.Path) -> None:
    """Removes what killed writers of `path` left; no other may be at work on it now."""
    for leftover in path.parent.glob(f"{glob.escape(path.name)}{TEMPORARY_MARK}*"):
        leftover.unlink(missing_ok=True)


class FileLock:
    """An advisory lock on a file, shared or exclusive; the kernel frees it when a process dies.

    Where the file system has no locks (some network disks) nothing is locked: what is
    written here is named by content and renamed into place, so two writers do no harm.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Takes the lock, or changes it; False if it is held elsewhere and `wait` is off."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        return True

    def is_current(self) -> bool:
        """Whether the file is still the one under its name, and not one that was removed."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Frees the lock; more than once does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "FileLock":
        self.take()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.release()


@contextlib.contextmanager
def explaining_failures(folder: pathlib.Path) -> Iterator[None]:
    """Turns a disk that is full or can't be written into one sentence about --cache_dir."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_DISK:
            found = f"no room left in {folder}; free some, or set another --cache_dir"
            raise ConfigurationError(f"--cache_dir must have room, found {found}") from error
        raise ConfigurationError(
            f"--cache_dir must be a folder this user can write, found {folder} ({error.strerror});"
            " set --cache_dir=FOLDER on a disk of your own"
        ) from error
