"""Folds the updates of a cohort along a fixed binary tree, in constant memory.

Sums of floats depend on their order, so the order is fixed by the positions in the cohort and not
by who answers first. A store that dropped out is a leaf that is passed over.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Nothing = TypeVar("Nothing")

_MISSING = object()  # a subtree with no contribution


class MergeTree(Generic[T]):
    """A binary tree over `num_leaves` positions, folded as its leaves arrive.

    Two neighbours are merged as soon as both are known, so what waits is at most one partial sum
    a level for each store that is late.

    Args:
      num_leaves: positions in the cohort.
      merge: the sum of two neighbours, left one first.
    """

    def __init__(self, num_leaves: int, merge: Callable[[T, T], T]) -> None:
        self._num_leaves = num_leaves
        self._merge = merge
        self._waiting: dict[tuple[int, int], object] = {}
        self._done: set[int] = set()
        self._top = max(num_leaves - 1, 0).bit_length()

    def put(self, position: int, value: T, *, level: int = 0) -> None:
        """Adds the contribution of `position`, or of a whole subtree that was folded elsewhere.

        Args:
          position: in the cohort; of a subtree its first one, a multiple of 2^level.
          value: the contribution; of a subtree what a tree over its positions alone gives.
          level: the subtree holds 2^level positions, fewer where the cohort ends before.

        Raises:
          ValueError: a position is outside the cohort or was told before.
        """
        self._put(position, level, value)

    def skip(self, position: int, *, level: int = 0) -> None:
        """Says that a position, or a whole subtree, contributes nothing. Raises as `put` does."""
        self._put(position, level, _MISSING)

    def total(self, nothing: Nothing) -> T | Nothing:
        """The sum of all contributions, or `nothing` where there were none.

        Raises:
          ValueError: a position has not been told yet.
        """
        if len(self._done) != self._num_leaves:
            missing = self._num_leaves - len(self._done)
            raise ValueError(f"A total needs every position, {missing} have not been told.")
        root = self._waiting.get((self._top, 0), _MISSING)
        return nothing if root is _MISSING else root  # type: ignore[return-value]

    def _put(self, position: int, level: int, value: object) -> None:
        told = range(position, min(position + (1 << level), self._num_leaves))
        is_subtree = position % (1 << level) == 0 and level <= self._top
        if position < 0 or not told or not is_subtree or not self._done.isdisjoint(told):
            raise ValueError(f"Position {position} is outside the cohort or was told before.")
        self._done.update(told)
        index = position >> level
        while level < self._top:
            is_left = index % 2 == 0
            sibling = (level, index ^ 1)
            if is_left and (index + 1) << level >= self._num_leaves:
                other: object = _MISSING  # the cohort ends here
            elif sibling in self._waiting:
                other = self._waiting.pop(sibling)
            else:
                break
            left, right = (value, other) if is_left else (other, value)
            value = self._join(left, right)
            level, index = level + 1, index // 2
        self._waiting[(level, index)] = value

    def _join(self, left: object, right: object) -> object:
        if left is _MISSING:
            return right
        if right is _MISSING:
            return left
        return self._merge(left, right)  # type: ignore[arg-type]
