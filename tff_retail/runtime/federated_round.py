"""One round of a round form: prepare, collect, update."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.store import Store, WorkRequest

Leaves = list[np.ndarray]


class Collector(Protocol):
    """Turns a cohort into one sum; see `plain_collector`."""

    def collect(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        enough: int | None = None,
        on_store_done: Callable[[Outcome], None] = ...,
    ) -> Collection:
        """Asks the stores and sums what they give.

        Args:
          cohort: the stores, in the order of their positions.
          request: what they are asked.
          enough: so many results may end it, for a collector that can leave late stores behind.
          on_store_done: called as each store ends, one call at a time.
        """
        ...


@dataclasses.dataclass(frozen=True)
class RoundResult:
    """What a round made.

    Attributes:
      state: the leaves of the new server state.
      metrics: the round's metrics, by path, such as `client_work/train/loss`.
    """

    state: Leaves
    metrics: Mapping[str, np.ndarray]


class FederatedRound:
    """Runs rounds of a form, as headquarters.

    Args:
      form: the graphs.
      collector: asks the stores and sums what they give.
    """

    def __init__(self, form: RoundForm, collector: Collector) -> None:
        self._initialize = form.initialize
        self._prepare = PartSession(form["prepare"])
        self._update = PartSession(form["update"])
        self._collector = collector
        self._metric_paths = [
            leaf.path.partition("/")[2] for leaf in form["update"].result if leaf.element == 1
        ]

    @property
    def state_paths(self) -> list[str]:
        """The paths of the state's leaves, in order."""
        return [leaf.path for leaf in self._initialize.result]

    def initial_state(self) -> Leaves:
        """The first state."""
        session = PartSession(self._initialize)
        try:
            return session()
        finally:
            session.close()

    def broadcast(self, state: Leaves) -> Leaves:
        """What every store of a round gets."""
        return self._prepare(state)

    def collect(
        self,
        cohort: Sequence[Store],
        request: WorkRequest,
        *,
        enough: int | None = None,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """Asks the cohort; see `Collector.collect`."""
        return self._collector.collect(cohort, request, enough=enough, on_store_done=on_store_done)

    def update(self, state: Leaves, collection: Collection) -> RoundResult:
        """Takes a collection into the state."""
        result = self._update([*state, *collection.total])
        num_state = len(result) - len(self._metric_paths)
        metrics = dict(zip(self._metric_paths, result[num_state:], strict=True))
        return RoundResult(result[:num_state], metrics)

    def close(self) -> None:
        """Ends the sessions of headquarters' own graphs."""
        self._prepare.close()
        self._update.close()
