"""Does a store's work: one piece at a time, each question once, and stops what nobody waits for."""

import concurrent.futures
import hashlib
import threading
from collections.abc import Callable, Hashable, Sequence

import grpc
import numpy as np

from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.data_uri import DataName
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.kept_results import KeptResults, Question
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest, WorkResult, WorkStopped
from tff_retail.runtime.value_encoding import Message, encode_compute_response

# How a failure's code shows to a TFF client, which begins anew where it reads UNAVAILABLE or
# FAILED_PRECONDITION; no failure of the work itself passes by asking again at once.
_STATUS = {"out_of_memory": grpc.StatusCode.RESOURCE_EXHAUSTED}


class WorkDesk:
    """Where an executor's calls are computed.

    Args:
      store: does the work, at this store.
      kept: results that were given before.
      stop_work: ends what the store is doing, so that it raises `WorkStopped`.
      on_begun: told of each piece of work that is about to be computed.
      on_done: told of each that was.
      on_failed: told of each that came to nothing, with a sentence that stays at the store.
    """

    def __init__(
        self,
        store: Store,
        kept: KeptResults,
        *,
        stop_work: Callable[[], None],
        on_begun: Callable[[WorkRequest], None] = lambda request: None,
        on_done: Callable[[WorkRequest, WorkResult], None],
        on_failed: Callable[[WorkRequest, ExecutorError, str], None],
    ) -> None:
        self._store, self._kept = store, kept
        self._stop_work = stop_work
        self._on_begun, self._on_done, self._on_failed = on_begun, on_done, on_failed
        self._turn = threading.Lock()  # a store's memory holds the activations of one model
        self._lock = threading.Lock()
        self._jobs: dict[Question, _Job] = {}
        self._at_work: _Job | None = None

    def result(
        self,
        work: ApprovedWork,
        data: DataName,
        broadcast: Sequence[np.ndarray],
        *,
        caller: Hashable,
    ) -> Message:
        """The serialised `ComputeResponse` of an approved work on the store's examples.

        Args:
          work: what is done.
          data: on what.
          broadcast: the other leaves of its argument.
          caller: who waits, see `cancel`.

        Raises:
          ExecutorError: it came to nothing, or everyone who waited has left.
        """
        question = _question(work, data, broadcast)
        if data.run and (found := self._kept.find(question)) is not None:
            return found
        with self._lock:
            job = self._jobs.get(question)
            is_first = job is None
            if job is None:
                job = self._jobs[question] = _Job()
            job.callers.add(caller)
        if is_first:
            request = WorkRequest(work.role, data.round_num, data.seed, broadcast)
            self._do(job, question, work, request)
        return job.message.result()

    def cancel(self, caller: Hashable) -> None:
        """Lets a caller leave; work that nobody waits for any more is stopped."""
        with self._lock:
            for question, job in list(self._jobs.items()):
                job.callers.discard(caller)
                if not job.callers:
                    del self._jobs[question]  # who asks again does not wait for what is stopped
            if self._at_work is not None and not self._at_work.callers:
                self._stop_work()

    def _do(
        self, job: "_Job", question: Question, work: ApprovedWork, request: WorkRequest
    ) -> None:
        try:
            with self._turn:
                message = self._compute(job, work, request)
            if question.run:
                self._kept.keep(question, message)
            job.message.set_result(message)
        except BaseException as error:
            job.message.set_exception(error)
        finally:
            with self._lock:
                if self._jobs.get(question) is job:
                    del self._jobs[question]

    def _compute(self, job: "_Job", work: ApprovedWork, request: WorkRequest) -> Message:
        with self._lock:
            if not job.callers:
                raise _cancelled()
            self._at_work = job
        try:
            self._on_begun(request)
            result = self._store.run(request)
        except WorkStopped as stopped:
            raise _cancelled() from stopped
        except StoreFailed as failure:
            error = _failure(failure)
            self._on_failed(request, error, str(failure))
            raise error from failure
        finally:
            with self._lock:
                self._at_work = None
        self._on_done(request, result)
        return encode_compute_response(work.result_tree(list(result.outputs)))


class _Job:
    """A piece of work and who waits for it."""

    def __init__(self) -> None:
        self.callers: set[Hashable] = set()
        self.message: concurrent.futures.Future[Message] = concurrent.futures.Future()


def _cancelled() -> ExecutorError:
    return ExecutorError(grpc.StatusCode.CANCELLED, "cancelled", "nobody waits for this work")


def _failure(failure: StoreFailed) -> ExecutorError:
    code = failure.code if isinstance(failure, CannotWork) else "work_failed"
    status = _STATUS.get(code, grpc.StatusCode.INTERNAL)
    return ExecutorError(status, code, "the store could not do its work")


def _question(work: ApprovedWork, data: DataName, broadcast: Sequence[np.ndarray]) -> Question:
    digest = hashlib.sha256(f"{work.role}/{work.part.digest}/{data.uri()}".encode())
    for array in broadcast:
        digest.update(f"/{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return Question(data.run, data.round_num, digest.hexdigest())
