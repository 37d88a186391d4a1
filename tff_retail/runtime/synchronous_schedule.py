"""The synchronous schedule: whom to ask in a round, and when the round is complete."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tff_retail.config import ScheduleConfig
from tff_retail.runtime.cohort import draw_cohort
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.plain_collector import Collection, Outcome
from tff_retail.runtime.store import Store, WorkRequest

# A cohort that misses its quorum three times in a row is not bad luck any more: at 50 % failures
# a round of 3 out of 5 would still succeed in one try of two.
MAX_ATTEMPTS = 3


class QuorumMissed(Exception):
    """Too few stores gave a result, in every attempt; the message names those that did not."""


class SynchronousSchedule:
    """Draws cohorts and insists on a quorum.

    Args:
      config: participation, quorum and seed.
    """

    def __init__(self, config: ScheduleConfig) -> None:
        self._config = config

    def cohort(self, stores: Sequence[Store], round_num: int, attempt: int = 0) -> list[Store]:
        """The stores asked in a round, a function of (seed, round, attempt) alone.

        Args:
          stores: all that are available, in an order that does not change.
          round_num: from 1.
          attempt: 0, or how often the round has missed its quorum.

        Returns:
          `participation` of the stores, rounded up, and at least the quorum, in their order.
        """
        wanted = math.ceil(self._config.participation * len(stores) - 1e-9)
        size = min(max(wanted, self._config.min_stores), len(stores))
        chosen = draw_cohort(
            len(stores), size, seed=self._config.seed, round_num=round_num, attempt=attempt
        )
        return [stores[position] for position in chosen]

    def collect(
        self,
        federated_round: FederatedRound,
        state: list[np.ndarray],
        stores: Sequence[Store],
        round_num: int,
        *,
        role: str = "train",
        on_store_done: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Collection:
        """Collects a round, with another cohort where the quorum was missed.

        Raises:
          QuorumMissed: fewer than `min_stores` gave a result, `MAX_ATTEMPTS` times.
          WorkStopped: the run was asked to stop.
        """
        broadcast = federated_round.broadcast(state)
        request = WorkRequest(role, round_num, self._config.seed, broadcast)
        for attempt in range(MAX_ATTEMPTS):
            cohort = self.cohort(stores, round_num, attempt)
            collection = federated_round.collect(cohort, request, on_store_done=on_store_done)
            if collection.num_results >= self._config.min_stores:
                return collection
        failures = [outcome.failure for outcome in collection.outcomes if outcome.failure]
        raise QuorumMissed(
            f"Round {round_num} needs results of {self._config.min_stores} stores and had "
            f"{collection.num_results} in the last of {MAX_ATTEMPTS} attempts; missing: "
            + "; ".join(failures)
        )
