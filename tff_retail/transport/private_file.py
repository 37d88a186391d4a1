"""A small file that its owner alone can read, written so that a kill never leaves half of one."""

import contextlib
import os
import pathlib
import secrets


def write_private_file(path: pathlib.Path, content: bytes) -> None:
    """Replaces `path` by a file of mode 0600 with `content`, on the disk when this returns.

    Raises:
      OSError: the disk is full, or the folder may not be written.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: pathlib.Path) -> None:
    """A rename is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
