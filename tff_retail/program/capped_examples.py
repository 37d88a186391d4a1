"""A store's examples, as many as it has the time for in one round."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tff_retail.program.timed_pipeline import DEADLINE
from tff_retail.runtime.simulated_store import LocalData

_TRAIN = "train"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CappedExamples:
    """`LocalData` of which training takes a part, drawn anew each round.

    What was done is what counts: the graph weighs an update by the examples that it saw.

    Attributes:
      examples: all of them.
      batch_size: of training.
      max_steps: of training in one round, all epochs together; each epoch has one at least. None
        for no bound.
      deadline_s: when training ends, in seconds since the epoch; for a `TimedPipeline`.
    """

    examples: LocalData
    batch_size: int
    max_steps: int | None
    deadline_s: float

    def feeds(self, role: str, *, seed: int, round_num: int) -> Mapping[str, np.ndarray]:
        """See `LocalData.feeds`."""
        feeds = self.examples.feeds(role, seed=seed, round_num=round_num)
        if role != _TRAIN:
            return feeds
        order = feeds["order"]  # each epoch in an order of its own, which derives from the round
        if self.max_steps is not None:
            steps = max(1, self.max_steps // len(order))
            order = order[:, : steps * self.batch_size]
        return {**feeds, "order": order, DEADLINE: np.array(self.deadline_s)}
