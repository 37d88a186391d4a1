"""Collects the updates of a cohort whose stores lie on Ray actors.

Each actor folds a block of the cohort (`cohort_blocks`) into one sum; the sums are folded here
along the same fixed tree as `plain_collector` does, so the total is the same bit for bit.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tff_retail.runtime.cohort_blocks import cut_cohort
from tff_retail.runtime.cohort_sums import PartialSum
from tff_retail.runtime.merge_tree import MergeTree
from tff_retail.runtime.plain_collector import Collection, Outcome, PlainCollector
from tff_retail.runtime.ray_cluster import import_ray
from tff_retail.runtime.ray_store import RayStore
from tff_retail.runtime.ray_workers import Call, RayWorkers
from tff_retail.runtime.store import WorkRequest

# Names in a sentence about a block that was lost.
_SHOWN_STORES = 3


class RayCollector:
    """Sums a cohort's updates on Ray.

    Args:
      plain: joins the blocks' sums and finishes the total.
      workers: whose actors have `fold(role, numbers, round_num, seed, broadcast)`, which gives what
        `PlainCollector.fold` does.
    """

    def __init__(self, plain: PlainCollector, workers: RayWorkers) -> None:
        self._plain = plain
        self._workers = workers
        self._sent: tuple[Sequence[Any], Any] | None = None

    def collect(
        self,
        cohort: Sequence[Any],
        request: WorkRequest,
        *,
        enough: int | None = None,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """See `PlainCollector.collect`; the cohort is one of `RayStore`s.

        Raises:
          WorkersLost: the cluster lost a block's workers again and again.
        """
        tree: MergeTree[PartialSum] = MergeTree(len(cohort), self._plain.join)
        outcomes: dict[int, Outcome] = {}
        blocks = cut_cohort(len(cohort), self._workers.num_workers)
        calls = [
            self._call([cohort[position] for position in block.positions], request)
            for block in blocks
        ]

        def take(number: int, folded: tuple[PartialSum | None, tuple[Outcome, ...]]) -> None:
            block = blocks[number]
            total, done = folded
            if total is None:
                tree.skip(block.start, level=block.level)
            else:
                tree.put(block.start, total, level=block.level)
            for position, outcome in zip(block.positions, done, strict=True):
                outcomes[position] = outcome
                on_store_done(outcome)

        self._workers.run(calls, take)
        ordered = tuple(outcomes[position] for position in range(len(cohort)))
        return self._plain.finish(tree.total(None), ordered)

    def _call(self, stores: Sequence[RayStore], request: WorkRequest) -> Call:
        numbers = [store.number for store in stores]
        return Call(
            "fold",
            (request.role, numbers, request.round_num, request.seed, self._broadcast(request)),
            f"{_shown([store.name for store in stores])} in round {request.round_num}",
        )

    def _broadcast(self, request: WorkRequest) -> Any:
        """The broadcast in Ray's object store, put there once for all attempts of a round."""
        if self._sent is None or self._sent[0] is not request.broadcast:
            self._sent = None  # frees the last round's
            self._sent = (request.broadcast, import_ray().put(list(request.broadcast)))
        return self._sent[1]


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_STORES
    shown = ", ".join(names[:_SHOWN_STORES]) + (f" and {more} more" if more > 0 else "")
    return f"store {shown}" if len(names) == 1 else f"stores {shown}"
