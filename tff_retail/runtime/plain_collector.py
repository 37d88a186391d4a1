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
class _Sum:
    accumulator: Leaves
    secure: Leaves


class PlainCollector:
    """Sums a cohort's updates with the graphs of a round form.

    Args:
      form: whose `zero`, `accumulate`, `merge` and `report` make the sum.
      parallel_stores: stores asked at the same time.
    """

    def __init__(self, form: RoundForm, *, parallel_stores: int) -> None:
        self._zero = PartSession(form["zero"])
        self._accumulate = PartSession(form["accumulate"])
        self._merge = PartSession(form["merge"])
        self._report = PartSession(form["report"])
        self._moduli = _moduli(form)
        self._slots = [leaf.element for leaf in form["work"].result]
        self._no_secure_sums = _no_secure_sums(form)
        self._parallel_stores = parallel_stores

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
        tree: MergeTree[_Sum] = MergeTree(len(cohort), self._join)
        zero = self._zero()
        lock, is_over = threading.Lock(), threading.Event()

        def ask(position: int) -> Outcome:
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
        total = tree.total(_Sum(zero, self._no_secure_sums))
        return Collection(self._report(total.accumulator) + total.secure, outcomes)

    def close(self) -> None:
        """Ends the sessions."""
        for session in (self._zero, self._accumulate, self._merge, self._report):
            session.close()

    def _ask_all(self, ask: Callable[[int], Outcome], num_stores: int) -> tuple[Outcome, ...]:
        pool = concurrent.futures.ThreadPoolExecutor(
            max_workers=min(self._parallel_stores, max(num_stores, 1)),
            thread_name_prefix="store",
        )
        try:
            futures = [pool.submit(ask, position) for position in range(num_stores)]
            # The first exception ends it, whatever stores asked before are still at.
            done, _ = concurrent.futures.wait(futures, return_when="FIRST_EXCEPTION")
            for future in done:
                future.result()
            return tuple(future.result() for future in futures)
        finally:
            # After an interrupt stores are still at work: whoever owns their sessions closes
            # them, which can't happen while this waits.
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask_one(
        self, store: Store, request: WorkRequest, zero: Leaves
    ) -> tuple[Outcome, _Sum | None]:
        try:
            result = store.run(request)
        except StoreFailed as failure:
            return Outcome(store.name, str(failure), {}, 0.0), None
        outcome = Outcome(store.name, None, result.report, result.seconds)
        return outcome, self._leaf(zero, result)

    def _leaf(self, zero: Leaves, result: WorkResult) -> _Sum:
        update = [v for v, slot in zip(result.outputs, self._slots, strict=True) if slot == _UPDATE]
        secure = [v for v, slot in zip(result.outputs, self._slots, strict=True) if slot != _UPDATE]
        reduced = [
            value if modulus is None else np.mod(value, modulus).astype(value.dtype)
            for value, modulus in zip(secure, self._moduli, strict=True)
        ]
        return _Sum(self._accumulate([*zero, *update]), reduced)

    def _join(self, left: _Sum, right: _Sum) -> _Sum:
        secure = [
            a + b if modulus is None else _add_modulo(a, b, modulus)
            for a, b, modulus in zip(left.secure, right.secure, self._moduli, strict=True)
        ]
        return _Sum(self._merge([*left.accumulator, *right.accumulator]), secure)


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
