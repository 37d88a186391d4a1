"""A file that only grows: what was appended is on the disk, or it is not there at all."""

import contextlib
import errno
import os
import pathlib


class DurableFile:
    """Appends to a file of its owner's alone; a disk that failed is tried again each time.

    Args:
      path: of the file; made by the first `append` where it is missing.
      size: bytes of it that count; what stands behind them is cut off.
    """

    def __init__(self, path: pathlib.Path, size: int) -> None:
        self.path = path
        self._size = size
        self._descriptor = -1

    @property
    def size(self) -> int:
        """Bytes that are on the disk."""
        return self._size

    def append(self, content: bytes) -> None:
        """Returns when `content` is on the disk.

        Raises:
          OSError: nothing of it counts.
        """
        try:
            if self._descriptor < 0:
                self._open()
            _write_all(self._descriptor, content)
            os.fsync(self._descriptor)
        except OSError:
            self._give_up()
            raise
        self._size += len(content)

    def close(self) -> None:
        """Closes the file; the next `append` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        is_new = not self.path.exists()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        if os.fstat(self._descriptor).st_size < self._size:
            raise OSError(errno.ESTALE, "that somebody made it shorter")
        os.ftruncate(self._descriptor, self._size)
        if is_new:  # a name is on the disk when its folder is
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _give_up(self) -> None:
        """After a failed fsync nobody knows what is on the disk: it is opened and cut anew."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            with contextlib.suppress(OSError):
                self.close()
            self._descriptor = -1


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
