"""Keeps what C++ libraries print out of a terminal."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from absl import logging


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Holds back what is written to file descriptor 2 meanwhile; `-v=1` lets it through.

    TensorFlow Lite prints its delegates and the converter its options straight to stderr, past
    every logger. When the work fails, what was held back is printed after all.
    """
    if logging.get_verbosity() >= logging.DEBUG:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
