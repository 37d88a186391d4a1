"""A value that is read from files, and read again when they change."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class RereadFiles(Generic[_Value]):
    """Asks the file system at each use; reads only what was replaced.

    Args:
      paths: of the files; one that is missing counts as a version of its own.
      read: gives the value.
    """

    def __init__(self, paths: Sequence[pathlib.Path], read: Callable[[], _Value]) -> None:
        self._paths = paths
        self._read = read
        self._found: tuple[object, _Value] | None = None

    def value(self) -> _Value:
        """The value as of now; what `read` raises is raised here."""
        # Before the read: a file that is replaced in between is read once more the next time.
        version = [_version(path) for path in self._paths]
        if self._found is None or self._found[0] != version:
            self._found = version, self._read()
        return self._found[1]

    def last(self) -> _Value | None:
        """What was read last, if anything was."""
        return self._found[1] if self._found else None


def _version(path: pathlib.Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
