"""Room on the disk of a run: asked for before it starts, and explained where it ran out."""

import contextlib
import errno
import pathlib
import shutil
from collections.abc import Iterator

import tensorflow as tf

from tff_retail.config import ConfigurationError

# A MobileNetV2 run keeps about 100 MB: states, two models, graphs.
_MIN_FREE_BYTES = 200 * 2**20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# TensorFlow's errors have no errno, but end with what the system said.
_NO_ROOM_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")


def require_room(output_dir: pathlib.Path) -> None:
    """Checks the disk that `output_dir` is on, or will be.

    Raises:
      ConfigurationError: too little is free, or the folder can't be.
    """
    try:
        parent = output_dir.absolute()
        while not parent.exists():
            parent = parent.parent
        free = shutil.disk_usage(parent).free
    except OSError as error:
        raise ConfigurationError(
            f"--output_dir must be a folder this user can write, found {str(output_dir)!r} "
            f"({error.strerror}); choose another folder"
        ) from error
    if free < _MIN_FREE_BYTES:
        raise ConfigurationError(
            f"--output_dir must be on a disk with {_MIN_FREE_BYTES >> 20} MiB free, found "
            f"{free >> 20} MiB at {str(parent)!r}; make room or choose another folder"
        )


@contextlib.contextmanager
def explaining_full_disk(output_dir: pathlib.Path) -> Iterator[None]:
    """Turns a disk that has become full into one sentence.

    Raises:
      ConfigurationError: whatever was written within found no room.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        if not _is_for_want_of_room(error):
            raise
        raise ConfigurationError(
            f"--output_dir must be on a disk with room, found the disk of {str(output_dir)!r} "
            "full; make room and start the same command again, nothing is lost"
        ) from error


def _is_for_want_of_room(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return any(text in str(error) for text in _NO_ROOM_TEXTS)
