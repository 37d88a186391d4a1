"""Collects the updates of real stores: all are asked at once, and folded as they answer.

A round ends when every store has answered, or enough have, or at the deadline. What is late is
cancelled and discarded. One thread folds, along the fixed tree of `merge_tree`; a store's answer is
folded out of the bytes that were received and is gone before the link server takes in more than it
has memory for.
"""

import asyncio
import concurrent.futures
import pathlib
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import numpy as np

from tff_retail.runtime.cohort_sums import CohortSums
from tff_retail.runtime.freed_memory import FreedMemory
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.remote_question import Question
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.result_leaves import require_finite
from tff_retail.runtime.round_fold import RoundFold
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest, WorkStopped
from tff_retail.runtime.value_decoding import MalformedValue
from tff_retail.runtime.waiting_sums import WaitingSums

# Of partial sums that wait for their neighbour; more of them wait on disk.
_MAX_WAITING_BYTES = 64 * 1024 * 1024


class RemoteCollector:
    """Sums a cohort of `RemoteStore`s.

    Args:
      form: whose graphs make the sum.
      submit: runs a coroutine on the loop of the link server.
      deadline_s: what has not come in after so many seconds is left out.
      needs_finite: whether a result with numbers that are not finite is a store's failure.
      check: raises `MalformedValue` where what one store adds to the sum breaks a bound, which is
        that store's failure.
      report: turns the leaves of a store's result into what it tells of itself, where its policy
        lets it.
      folder: has room for sums that wait; the system's for temporary files where it is None.
      max_waiting_bytes: of sums that wait in memory.
    """

    def __init__(
        self,
        form: RoundForm,
        *,
        submit: Callable[[Coroutine[Any, Any, Any]], concurrent.futures.Future[Any]],
        deadline_s: float,
        needs_finite: bool,
        check: Callable[[Sequence[np.ndarray]], None] = lambda accumulator: None,
        report: Callable[[Sequence[np.ndarray]], Mapping[str, float]] = lambda outputs: {},
        folder: pathlib.Path | None = None,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
    ) -> None:
        self._sums = CohortSums(form)
        self._result = form["work"].result
        self._submit = submit
        self._deadline_s = deadline_s
        self._needs_finite = needs_finite
        self._check = check
        self._report = report
        self._folder = folder or pathlib.Path(tempfile.gettempdir())
        self._max_waiting_bytes = max_waiting_bytes
        self._freed = FreedMemory()
        # One thread, kept from round to round: oneDNN keeps what it has compiled for each.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="fold")

    def collect(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        enough: int | None = None,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """See `Collector.collect`; the cohort is one of `RemoteStore`s.

        Raises:
          OSError: the disk has no room for the sums that wait.
          WorkStopped: the link server was closed.
        """
        stores = [store for store in cohort if isinstance(store, RemoteStore)]
        if len(stores) != len(cohort):
            raise TypeError("A remote collector must have a cohort of RemoteStores.")
        waiting = WaitingSums(self._sums.join, self._folder, max_bytes=self._max_waiting_bytes)
        fold = RoundFold(
            self._sums,
            waiting,
            [store.name for store in stores],
            enough=min(enough or len(stores), len(stores)),
            on_store_done=on_store_done,
            check=self._check,
        )
        try:
            if stores:
                self._run(self._ask_all(stores, stores[0].question(request), fold))
            return self._thread.submit(fold.collection).result()
        finally:
            self._thread.submit(waiting.close)
            self._thread.submit(self._freed.give_back)

    def close(self) -> None:
        """Ends the thread and the sessions."""
        self._thread.shutdown(cancel_futures=True)
        self._sums.close()

    def _run(self, asking: Coroutine[Any, Any, None]) -> None:
        running = self._submit(asking)
        try:
            running.result()
        except concurrent.futures.CancelledError as error:
            raise WorkStopped("The link server was closed.") from error
        except BaseException:
            running.cancel()  # an interrupt, say: ends the calls
            raise

    async def _ask_all(
        self, stores: Sequence[RemoteStore], question: Question, fold: RoundFold
    ) -> None:
        is_enough = asyncio.Event()
        enough = asyncio.create_task(is_enough.wait())
        asked = asyncio.gather(
            *(
                self._ask(position, store, question, fold, is_enough)
                for position, store in enumerate(stores)
            )
        )
        try:
            await asyncio.wait(
                (asked, enough), timeout=self._deadline_s, return_when=asyncio.FIRST_COMPLETED
            )
            if asked.done():
                asked.result()  # raises what is no store's failure
            await self._fold(lambda: fold.end(self._deadline_s))
        finally:
            enough.cancel()
            asked.cancel()
            await asyncio.gather(asked, enough, return_exceptions=True)

    async def _ask(
        self,
        position: int,
        store: RemoteStore,
        question: Question,
        fold: RoundFold,
        is_enough: asyncio.Event,
    ) -> None:
        started = time.perf_counter()
        try:
            async with store.answer(question) as answer:
                seconds = time.perf_counter() - started

                def take() -> bool:
                    self._freed.count(answer.nbytes)
                    outputs = self._checked(store, question, answer)
                    report = self._report(outputs) if store.tells_of_itself else {}
                    try:
                        return fold.take(position, outputs, report=report, seconds=seconds)
                    except MalformedValue as error:
                        raise StoreFailed(f"{store.name}: {error}", code="bounds") from error

                has_enough = await self._fold(take)
        except StoreFailed as failure:
            reason, code = str(failure), failure.code
            has_enough = await self._fold(lambda: fold.skip(position, reason, code))
        if has_enough:
            is_enough.set()

    def _checked(
        self, store: RemoteStore, question: Question, answer: memoryview
    ) -> list[np.ndarray]:
        """The leaves of an answer, if it is what `work` gives."""
        outputs = store.leaves(question, answer)
        if self._needs_finite:
            try:
                require_finite(outputs, self._result)
            except MalformedValue as error:
                raise StoreFailed(f"{store.name}: {error}", code="not_finite") from error
        # What is summed securely becomes part of the sum as it is, and outlives the answer.
        return [
            output.copy() if leaf.element else output
            for output, leaf in zip(outputs, self._result, strict=True)
        ]

    async def _fold(self, function: Callable[[], Any]) -> Any:
        """Runs something in the thread that folds, and to its end even where this is cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
