"""A disk without room is one sentence, whoever finds out."""

import errno

import pytest
import tensorflow as tf

from tff_retail.config import ConfigurationError
from tff_retail.program.disk_room import explaining_full_disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EFBIG, "File too large"),
        tf.errors.ResourceExhaustedError(None, None, "/run/x.tempstate1; No space left on device"),
        tf.errors.UnknownError(None, None, "/run/x; Disk quota exceeded"),
    ],
)
def test_a_full_disk_is_one_sentence(tmp_path, error):
    with pytest.raises(ConfigurationError) as raised, explaining_full_disk(tmp_path):
        raise error
    assert str(raised.value) == (
        f"--output_dir must be on a disk with room, found the disk of '{tmp_path}' full; make "
        "room and start the same command again, nothing is lost"
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        ValueError("No space left on device"),
    ],
)
def test_another_error_stays_what_it_is(tmp_path, error):
    with pytest.raises(type(error)) as raised, explaining_full_disk(tmp_path):
        raise error
    assert raised.value is error


def test_a_file_too_large_for_the_system_is_a_full_disk(tmp_path):
    """The system itself says so here: files of this process may not grow."""
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(ConfigurationError, match="full"), explaining_full_disk(tmp_path):
            (tmp_path / "state").write_bytes(bytes(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
