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

from tff_retail.runtime.merge_tree import MergeTree
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest, WorkResult
from tff_retail.runtime.store_slots import StoreSlots

Leaves = list[np.ndarray]

# The elements of `work`'s result (TFF's `forms.py`): the update, two kinds of secure sums with a
# bound on each value, and secure sums with a modulus.
_UPDATE = 0
_MODULAR_SUM = 3


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one store of the cohort fared.

    Attributes:
      store: its name.
      failure: why it gave nothing, or None.
      report: what it tells of itself.
      seconds: how long its work took; 0 where it failed.
    """

    store: str
    failure: str | None
    report: Mapping[str, float]
    seconds: float


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


@dataclasses.dataclass(frozen=True)
class PartialSum:
    """The sum over a subtree of a cohort; its arrays may be read-only (Ray's object store).

    Attributes:
      accumulator: the leaves of the updates' accumulator.
      secure: the secure sums.
    """

    accumulator: Leaves
    secure: Leaves


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
        self._zero = PartSession(form["zero"])
        self._accumulate = PartSession(form["accumulate"])
        self._merge = PartSession(form["merge"])
        self._report = PartSession(form["report"])
        self._moduli = _moduli(form)
        self._slots = [leaf.element for leaf in form["work"].result]
        self._no_secure_sums = _no_secure_sums(form)
        self._parallel_stores = parallel_stores
        # Kept from round to round, for oneDNN keeps what it has compiled for each thread.
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._parallel_at_end = max(parallel_stores, parallel_at_end or 0)

    def collect(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """Asks every store of the cohort and folds what comes back.

        Args:
          cohort: the stores, in the order of their positions.
          request: what they are asked.
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
        zero = self._zero()
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
        if total is None:
            total = PartialSum(self._zero(), self._no_secure_sums)
        return Collection(self._report(total.accumulator) + total.secure, outcomes)

    def close(self) -> None:
        """Ends the sessions and threads."""
        self._end_threads()
        for session in (self._zero, self._accumulate, self._merge, self._report):
            session.close()

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
            return Outcome(store.name, str(failure), {}, 0.0), None
        outcome = Outcome(store.name, None, result.report, result.seconds)
        return outcome, self._leaf(zero, result)

    def _leaf(self, zero: Leaves, result: WorkResult) -> PartialSum:
        update = [v for v, slot in zip(result.outputs, self._slots, strict=True) if slot == _UPDATE]
        secure = [v for v, slot in zip(result.outputs, self._slots, strict=True) if slot != _UPDATE]
        reduced = [
            value if modulus is None else np.mod(value, modulus).astype(value.dtype)
            for value, modulus in zip(secure, self._moduli, strict=True)
        ]
        return PartialSum(self._accumulate([*zero, *update]), reduced)

    def join(self, left: PartialSum, right: PartialSum) -> PartialSum:
        """The sum over two neighbours in the tree."""
        secure = [
            a + b if modulus is None else _add_modulo(a, b, modulus)
            for a, b, modulus in zip(left.secure, right.secure, self._moduli, strict=True)
        ]
        return PartialSum(self._merge([*left.accumulator, *right.accumulator]), secure)


def _moduli(form: RoundForm) -> list[np.ndarray | None]:
    """The modulus of every secure slot of `work`, in order; None for the sums without one."""
    slots = [leaf.element for leaf in form["work"].result]
    moduli = PartSession(form["secure_modular_sum_modulus"])
    values = iter(moduli())
    moduli.close()
    return [next(values) if slot == _MODULAR_SUM else None for slot in slots if slot != _UPDATE]


def _no_secure_sums(form: RoundForm) -> Leaves:
    """The secure sums over no store at all."""
    return [
        np.zeros([size or 0 for size in leaf.shape], leaf.dtype)
        for leaf in form["work"].result
        if leaf.element != _UPDATE
    ]


def _add_modulo(a: np.ndarray, b: np.ndarray, modulus: np.ndarray) -> np.ndarray:
    """(a + b) mod modulus of two values in [0, modulus).

    Their sum may not fit their own type; both are below 2^63, so it fits 64 bits without a sign.
    """
    total = np.add(a, b, dtype=np.uint64, casting="unsafe")
    return np.mod(total, np.uint64(modulus)).astype(np.asarray(a).dtype)
