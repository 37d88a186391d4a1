"""Ends work that takes too long: whether a graph's loop ends, no check can tell."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.store import WorkStopped

# A loop stops between two of its operations. A single operation can't be stopped: a product of two
# large matrices takes hours, which then cost this process.
_GRACE_S = 60.0
_EXIT_FAILURE = 1


@contextlib.contextmanager
def time_limit(
    seconds: float,
    stop: Callable[[], None],
    *,
    grace_s: float = _GRACE_S,
    leave: Callable[[int], None] = os._exit,
) -> Iterator[None]:
    """Has the work inside stopped after some time.

    Args:
      seconds: from now on.
      stop: called from another thread; has the work raise `WorkStopped`.
      grace_s: after so much more time the process ends.
      leave: ends it, with an exit code.

    Raises:
      CannotWork: it was stopped for this reason.
    """
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        stop()

    timers = [_timer(seconds, end), _timer(seconds + grace_s, lambda: leave(_EXIT_FAILURE))]
    try:
        yield
    except WorkStopped as stopped:
        if is_over.is_set():
            raise CannotWork(
                "took_too_long", f"work may take {seconds:g} s, and did not end in that time"
            ) from stopped
        raise
    finally:
        for timer in timers:
            timer.cancel()


def _timer(seconds: float, action: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), action)
    timer.daemon = True  # a process that ends does not wait for it
    timer.start()
    return timer
