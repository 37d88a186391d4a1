"""Who can be asked in a round."""

from collections.abc import Sequence
from typing import Protocol

from tff_retail.runtime.plain_collector import Collection
from tff_retail.runtime.store import Store


class Roster(Protocol):
    """The stores that a schedule chooses from."""

    def stores(self, round_num: int, attempt: int) -> Sequence[Store]:
        """Those that can be asked, by name.

        Args:
          round_num: from 1.
          attempt: 0, or how often the round has missed its quorum.

        Raises:
          QuorumMissed: there are too few, and no more came.
        """
        ...

    def heed(self, round_num: int, collection: Collection) -> None:
        """Takes note of how the stores that were asked have fared."""
        ...


class SteadyRoster:
    """Stores that are always there, as simulated ones are.

    Args:
      stores: in an order that does not change.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores

    def stores(self, round_num: int, attempt: int) -> Sequence[Store]:
        """See `Roster.stores`."""
        return self._stores

    def heed(self, round_num: int, collection: Collection) -> None:
        """A simulated store that failed is asked again like any other."""
