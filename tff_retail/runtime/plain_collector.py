"""Collects the updates of a cohort and sums them in the open.

A collector turns a cohort into one sum. This one asks every store once and folds what comes back
along the fixed tree of `merge_tree`; secure aggregation, which needs several exchanges with each
store, is another collector.
"""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tff_retail.runtime.cohort_sums import CohortSums, PartialSum
from tff_retail.runtime.merge_tree import MergeTree
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest
from tff_retail.runtime.store_slots import StoreSlots

Leaves = list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one store of the cohort fared.

    Attributes:
      store: its name.
      failure: why it gave nothing, or None.
      report: what it tells of itself.
      seconds: how long its work took; 0 where it failed.
      is_surplus: whether it gave nothing for enough others were faster, which is no fault of its.
      code: `failure` in a word; '' where there is none.
    """

    store: str
    failure: str | None
    report: Mapping[str, float]
    seconds: float
    is_surplus: bool = False
    code: str = ""


@dataclasses.dataclass(frozen=True)
class Collection:
    """The sum over a cohort.

    Attributes:
      total: the leaves of `update`'s second argument: the reported sum of the updates, then the
        secure sums.
      outcomes: one for each store, in the order of the cohort.
    """

    total: Leaves
    outcomes: tuple[Outcome, ...]

    @property
    def num_results(self) -> int:
        """How many stores gave a result."""
        return sum(outcome.failure is None for outcome in self.outcomes)


class PlainCollector:
    """Sums a cohort's updates with the graphs of a round form.

    Args:
      form: whose `zero`, `accumulate`, `merge` and `report` make the sum.
      parallel_stores: stores asked at the same time.
      parallel_at_end: as many may be asked at once where no further one waits, see `store_slots`;
        None for no more than before.
    """

    def __init__(
        self, form: RoundForm, *, parallel_stores: int, parallel_at_end: int | None = None
    ) -> None:
        self._sums = CohortSums(form)
        self._parallel_stores = parallel_stores
        # Kept from round to round, for oneDNN keeps what it has compiled for each thread.
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._parallel_at_end = max(parallel_stores, parallel_at_end or 0)

    def collect(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        enough: int | None = None,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """Asks every store of the cohort and folds what comes back.

        Args:
          cohort: the stores, in the order of their positions.
          request: what they are asked.
          enough: see `Collector.collect`; stores that take turns are all waited for.
          on_store_done: called as each store ends, one call at a time.

        Raises:
          WorkStopped: the run was asked to stop. Stores still at work are not waited for, whatever
            is raised: who stops a run ends the sessions that they work in.
        """
        return self.finish(*self.fold(cohort, request, on_store_done=on_store_done))

    def fold(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> tuple[PartialSum | None, tuple[Outcome, ...]]:
        """Does what `collect` does but the report: a cohort's sum, or a subtree's of a larger one.

        Returns:
          The sum, None where no store gave a result, and the stores' outcomes in their order.
        """
        tree: MergeTree[PartialSum] = MergeTree(len(cohort), self.join)
        zero = self._sums.zero()
        lock, is_over = threading.Lock(), threading.Event()
        slots = StoreSlots(
            len(cohort), parallel=self._parallel_stores, parallel_at_end=self._parallel_at_end
        )

        def ask(position: int) -> Outcome:
            with slots.slot():
                outcome, leaf = self._ask_one(cohort[position], request, zero)
            with lock:
                if is_over.is_set():
                    return outcome  # the run was stopped meanwhile, and nobody listens any more
                if leaf is None:
                    tree.skip(position)
                else:
                    tree.put(position, leaf)
                on_store_done(outcome)
            return outcome

        try:
            outcomes = self._ask_all(ask, len(cohort))
        finally:
            is_over.set()
            slots.close()
        return tree.total(None), outcomes

    def finish(self, total: PartialSum | None, outcomes: tuple[Outcome, ...]) -> Collection:
        """The collection that a cohort's sum makes, None standing for a sum over no store."""
        return Collection(self._sums.finish(total), outcomes)

    def join(self, left: PartialSum, right: PartialSum) -> PartialSum:
        """The sum over two neighbours in the tree."""
        return self._sums.join(left, right)

    def close(self) -> None:
        """Ends the sessions and threads."""
        self._end_threads()
        self._sums.close()

    def _ask_all(self, ask: Callable[[int], Outcome], num_stores: int) -> tuple[Outcome, ...]:
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(
                max_workers=self._parallel_at_end, thread_name_prefix="store"
            )
        try:
            futures = [self._threads.submit(ask, position) for position in range(num_stores)]
            # The first exception ends it, whatever stores asked before are still at.
            done, _ = concurrent.futures.wait(futures, return_when="FIRST_EXCEPTION")
            for future in done:
                future.result()
            return tuple(future.result() for future in futures)
        except BaseException:
            # After an interrupt stores are still at work: whoever owns their sessions closes
            # them, which can't happen while this waits.
            self._end_threads()
            raise

    def _end_threads(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _ask_one(
        self, store: Store, request: WorkRequest, zero: Leaves
    ) -> tuple[Outcome, PartialSum | None]:
        try:
            result = store.run(request)
        except StoreFailed as failure:
            return Outcome(store.name, str(failure), {}, 0.0, code=failure.code), None
        outcome = Outcome(store.name, None, result.report, result.seconds)
        return outcome, self._sums.leaf(zero, result.outputs)
