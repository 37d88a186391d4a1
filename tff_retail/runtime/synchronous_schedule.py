"""The synchronous schedule: whom to ask in a round, and when the round is complete."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tff_retail.config import ScheduleConfig
from tff_retail.runtime.cohort import draw_cohort
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.roster import Roster
from tff_retail.runtime.store import QuorumMissed, Store, WorkRequest

# A cohort that misses its quorum three times in a row is not bad luck any more: at 50 % failures
# a round of 3 out of 5 would still succeed in one try of two.
MAX_ATTEMPTS = 3
# What floats add to a product that ought to be whole, such as 0.3 * 10.
_ROUNDING = 1e-9


class SynchronousSchedule:
    """Draws cohorts and insists on a quorum.

    Args:
      config: participation, quorum and seed.
      overselect: share of stores asked beyond those that a round wants, where there are as many;
        the first to answer count, and the others are not waited for.
    """

    def __init__(self, config: ScheduleConfig, *, overselect: float = 0.0) -> None:
        self._config = config
        self._overselect = overselect

    def cohort(self, stores: Sequence[Store], round_num: int, attempt: int = 0) -> list[Store]:
        """The stores asked in a round, a function of (seed, round, attempt) alone.

        Args:
          stores: all that are available, in an order that does not change.
          round_num: from 1.
          attempt: 0, or how often the round has missed its quorum.

        Returns:
          `participation` of the stores, rounded up, and at least the quorum, with over-selection
          as many more, in their order.
        """
        asked = _rounded_up(self._wanted(len(stores)) * (1 + self._overselect))
        chosen = draw_cohort(
            len(stores),
            min(asked, len(stores)),
            seed=self._config.seed,
            round_num=round_num,
            attempt=attempt,
        )
        return [stores[position] for position in chosen]

    def collect(
        self,
        federated_round: FederatedRound,
        state: list[np.ndarray],
        roster: Roster,
        round_num: int,
        *,
        role: str = "train",
        on_asked: Callable[[int], None] = lambda asked: None,
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """Collects a round, with another cohort where the quorum was missed.

        Args:
          federated_round: runs the round.
          state: leaves of the server state before it.
          roster: who can be asked.
          round_num: from 1.
          role: what the stores are asked.
          on_asked: told how many stores are asked, at each attempt.
          on_store_done: called as each store ends.

        Raises:
          QuorumMissed: fewer than `min_stores` gave a result, `MAX_ATTEMPTS` times.
          WorkStopped: the run was asked to stop.
        """
        broadcast = federated_round.broadcast(state)
        request = WorkRequest(role, round_num, self._config.seed, broadcast)
        for attempt in range(MAX_ATTEMPTS):
            stores = roster.stores(round_num, attempt)
            cohort = self.cohort(stores, round_num, attempt)
            on_asked(len(cohort))
            collection = federated_round.collect(
                cohort, request, enough=self._wanted(len(stores)), on_store_done=on_store_done
            )
            roster.heed(round_num, collection)
            if collection.num_results >= self._config.min_stores:
                return collection
        failures = [outcome.failure for outcome in collection.outcomes if outcome.failure]
        raise QuorumMissed(
            f"Round {round_num} needs results of {self._config.min_stores} stores and had "
            f"{collection.num_results} in the last of {MAX_ATTEMPTS} attempts; missing: "
            + "; ".join(failures)
        )

    def _wanted(self, num_stores: int) -> int:
        """How many results a round wants of so many stores."""
        share = _rounded_up(self._config.participation * num_stores)
        return min(max(share, self._config.min_stores), num_stores)


def _rounded_up(number: float) -> int:
    return math.ceil(number - _ROUNDING)
