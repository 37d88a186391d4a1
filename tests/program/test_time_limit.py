"""Work that takes too long is stopped, and told apart from work that is stopped otherwise."""

import queue
import threading

import pytest

from tff_retail.program.time_limit import time_limit
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.store import WorkStopped

_TIMEOUT_S = 60


def test_work_that_takes_too_long_is_stopped():
    stopped = threading.Event()
    with pytest.raises(CannotWork) as failure, time_limit(0.01, stopped.set):
        assert stopped.wait(_TIMEOUT_S)
        raise WorkStopped("as a session that was closed")
    assert failure.value.code == "took_too_long"


def test_a_process_whose_work_does_not_stop_ends():
    left = queue.Queue()
    with time_limit(0, lambda: None, grace_s=0.01, leave=left.put):
        assert left.get(timeout=_TIMEOUT_S) == 1


def test_work_that_is_stopped_otherwise_was_not_too_long():
    with pytest.raises(WorkStopped), time_limit(_TIMEOUT_S, pytest.fail):
        raise WorkStopped("nobody waits for it")


def _timers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)}


def test_work_that_ends_in_time_is_left_alone():
    before = _timers()
    with time_limit(10**12, pytest.fail):
        own = _timers() - before
        assert len(own) == 2
    for timer in own:
        timer.join(_TIMEOUT_S)
        assert not timer.is_alive()
