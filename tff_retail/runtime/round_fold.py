"""The fold of one round: takes stores' results in any order, and says when there are enough."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tff_retail.runtime.cohort_sums import CohortSums
from tff_retail.runtime.merge_tree import MergeTree
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.waiting_sums import WaitingSum, WaitingSums


class RoundFold:
    """Folds one cohort; used by one thread.

    Args:
      sums: adds up.
      waiting: keeps what waits for its neighbour.
      names: of the stores, in the order of their positions.
      enough: so many results end the round.
      on_store_done: called as each store ends.
      check: raises `MalformedValue` where what one store adds to the sum breaks a bound.
    """

    def __init__(
        self,
        sums: CohortSums,
        waiting: WaitingSums,
        names: Sequence[str],
        *,
        enough: int,
        on_store_done: Callable[[Outcome], None],
        check: Callable[[Sequence[np.ndarray]], None] = lambda accumulator: None,
    ) -> None:
        self._sums, self._waiting, self._names = sums, waiting, names
        self._enough, self._on_store_done, self._check = enough, on_store_done, check
        self._tree: MergeTree[WaitingSum] = MergeTree(len(names), waiting.join)
        self._zero = sums.zero()
        self._outcomes: dict[int, Outcome] = {}
        self._num_results = 0
        self._is_over = False

    def take(
        self,
        position: int,
        outputs: Sequence[np.ndarray],
        *,
        report: Mapping[str, float],
        seconds: float,
    ) -> bool:
        """Adds a store's result, unless the round is over.

        Args:
          position: in the cohort.
          outputs: the leaves of `work`'s result, which may be gone afterwards.
          report: what the store tells of itself.
          seconds: from the question to the answer.

        Returns:
          Whether there are enough results now.

        Raises:
          MalformedValue: it breaks a bound; nothing was added.
        """
        if self._is_over:
            return True
        leaf = self._sums.leaf(self._zero, outputs)
        self._check(leaf.accumulator)
        self._tree.put(position, self._waiting.keep(leaf))
        self._waiting.make_room()
        self._num_results += 1
        self._is_over = self._num_results == self._enough
        self._done(position, Outcome(self._names[position], None, report, seconds))
        return self._is_over

    def skip(self, position: int, failure: str, code: str = "work_failed") -> bool:
        """Says that a store gave nothing, unless the round is over. Returns as `take` does."""
        if not self._is_over:
            self._leave_out(position, failure, code)
        return self._is_over

    def end(self, deadline_s: float) -> None:
        """Ends the round; what has not come in by now is left out."""
        is_surplus = self._is_over
        self._is_over = True
        for position, name in enumerate(self._names):
            if position in self._outcomes:
                continue
            reason = (
                f"not waited for, {self._enough} others were faster"
                if is_surplus
                else f"too late, --round_deadline_s={deadline_s:g} was over; it is discarded"
            )
            code = "not_waited_for" if is_surplus else "too_late"
            self._leave_out(position, f"{name}: {reason}", code, is_surplus=is_surplus)

    def collection(self) -> Collection:
        """The sum, once the round has ended."""
        root = self._tree.total(None)
        total = None if root is None else self._waiting.take(root)
        ordered = tuple(self._outcomes[position] for position in range(len(self._names)))
        return Collection(self._sums.finish(total), ordered)

    def _leave_out(
        self, position: int, failure: str, code: str, *, is_surplus: bool = False
    ) -> None:
        self._tree.skip(position)
        self._done(position, Outcome(self._names[position], failure, {}, 0.0, is_surplus, code))

    def _done(self, position: int, outcome: Outcome) -> None:
        self._outcomes[position] = outcome
        self._on_store_done(outcome)
