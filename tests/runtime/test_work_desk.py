import concurrent.futures
import threading

import grpc
import numpy as np
import pytest

from tests.runtime.executor_requests import make_work
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.data_uri import DataName
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.kept_results import KeptResults
from tff_retail.runtime.store import StoreFailed, WorkResult, WorkStopped
from tff_retail.runtime.work_desk import WorkDesk

PROMPT_S = 30
BROADCAST = [np.array(10), np.zeros(2, np.float32)]
OUTPUTS = [np.zeros(2, np.float32), np.array(60)]
ROUND = DataName("train", run="first", round_num=1, seed=7)


@pytest.fixture(scope="module")
def work():
    return make_work()


class _Store:
    """Begins when it is told to, and ends when it is told to, or stopped."""

    name = "Bern"

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.has_begun, self.may_end = threading.Semaphore(0), threading.Event()
        self.is_stopped = False
        self.failure: Exception | None = None

    def run(self, request):
        self.begun.append(request.round_num)
        self.has_begun.release()
        assert self.may_end.wait(PROMPT_S)
        if self.is_stopped:
            self.is_stopped = False
            self.may_end.clear()
            raise WorkStopped
        if self.failure is not None:
            raise self.failure
        return WorkResult(OUTPUTS, {}, 1.5)

    def stop(self) -> None:
        self.is_stopped = True
        self.may_end.set()


@pytest.fixture
def store():
    return _Store()


@pytest.fixture
def told():
    return []


@pytest.fixture
def desk(store, told, tmp_path):
    kept = KeptResults(tmp_path, max_bytes=10**6, say=pytest.fail)
    yield WorkDesk(
        store,
        kept,
        stop_work=store.stop,
        on_begun=lambda request: told.append(("begun", request.round_num)),
        on_done=lambda request, result: told.append(("done", request.round_num, result.seconds)),
        on_failed=lambda request, error, sentence: told.append((error.rule, sentence)),
    )
    kept.close()


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool


def _bytes(message) -> bytes:
    return b"".join(message)


def test_who_asks_the_same_meanwhile_waits_for_the_same(desk, store, told, work, pool):
    first = pool.submit(desk.result, work, ROUND, BROADCAST, caller=1)
    assert store.has_begun.acquire(timeout=PROMPT_S)
    second = pool.submit(desk.result, work, ROUND, BROADCAST, caller=2)
    _wait_for_callers(desk, 2)
    store.may_end.set()
    assert _bytes(first.result(PROMPT_S)) == _bytes(second.result(PROMPT_S))
    assert store.begun == [1]
    assert told == [("begun", 1), ("done", 1, 1.5)]


def _wait_for_callers(desk, number) -> None:
    """The second caller is only known to have come by what the desk holds."""
    pause = threading.Event()
    for _ in range(PROMPT_S * 100):
        with desk._lock:
            if any(len(job.callers) == number for job in desk._jobs.values()):
                return
        pause.wait(0.01)
    raise TimeoutError


def test_one_piece_of_work_at_a_time(desk, store, work, pool):
    first = pool.submit(desk.result, work, ROUND, BROADCAST, caller=1)
    assert store.has_begun.acquire(timeout=PROMPT_S)
    later = DataName("train", run="first", round_num=2, seed=7)
    second = pool.submit(desk.result, work, later, BROADCAST, caller=2)
    assert not store.has_begun.acquire(timeout=0.05)
    store.may_end.set()
    first.result(PROMPT_S), second.result(PROMPT_S)
    assert store.begun == [1, 2]


def test_work_that_nobody_waits_for_is_stopped_and_may_be_asked_for_again(desk, store, work, pool):
    first = pool.submit(desk.result, work, ROUND, BROADCAST, caller=1)
    second = pool.submit(desk.result, work, ROUND, BROADCAST, caller=2)
    assert store.has_begun.acquire(timeout=PROMPT_S)
    _wait_for_callers(desk, 2)
    desk.cancel(1)
    assert not store.is_stopped
    desk.cancel(2)
    for waiting in (first, second):
        with pytest.raises(ExecutorError, match="^cancelled") as error:
            waiting.result(PROMPT_S)
        assert error.value.status is grpc.StatusCode.CANCELLED
    again = pool.submit(desk.result, work, ROUND, BROADCAST, caller=3)
    assert store.has_begun.acquire(timeout=PROMPT_S)
    store.may_end.set()
    assert again.result(PROMPT_S)


def test_work_that_was_given_up_before_its_turn_is_not_begun(desk, store, work, pool):
    first = pool.submit(desk.result, work, ROUND, BROADCAST, caller=1)
    assert store.has_begun.acquire(timeout=PROMPT_S)
    later = DataName("train", run="first", round_num=2, seed=7)
    second = pool.submit(desk.result, work, later, BROADCAST, caller=2)
    while len(desk._jobs) < 2:
        threading.Event().wait(0.01)
    desk.cancel(2)
    store.may_end.set()
    first.result(PROMPT_S)
    with pytest.raises(ExecutorError, match="^cancelled"):
        second.result(PROMPT_S)
    assert store.begun == [1]


@pytest.mark.parametrize(
    "failure, status, rule",
    [
        (CannotWork("no_examples", "/secret/path"), grpc.StatusCode.INTERNAL, "no_examples"),
        (
            CannotWork("out_of_memory", "/secret/path"),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "out_of_memory",
        ),
        (StoreFailed("/secret/path"), grpc.StatusCode.INTERNAL, "work_failed"),
    ],
)
def test_a_failure_is_a_code_outside_and_a_sentence_inside(
    desk, store, told, work, failure, status, rule
):
    store.failure = failure
    store.may_end.set()
    with pytest.raises(ExecutorError) as error:
        desk.result(work, ROUND, BROADCAST, caller=1)
    assert (error.value.status, error.value.rule) == (status, rule)
    assert "secret" not in str(error.value)
    assert told[-1] == (rule, "/secret/path")
    store.failure = None
    assert desk.result(work, ROUND, BROADCAST, caller=1)  # a failure is not kept
