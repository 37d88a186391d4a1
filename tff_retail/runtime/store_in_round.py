"""A store named for one round: what travels in a TFF program in the place of its data."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class StoreInRound:
    """A store of the cohort of a round.

    Attributes:
      name: the store's, one of those that the context has.
      round_num: from 1; a store's randomness derives from (seed, round, store).
    """

    name: str
    round_num: int
