"""A step of training with some number of examples, to see whether this machine is up to it."""

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tff_retail.program.timed_pipeline import DEADLINE
from tff_retail.runtime.session_pool import SessionPool

_NEVER = np.array(np.inf)


@dataclasses.dataclass(frozen=True, eq=False)
class BatchTrial:
    """Gives the seconds of a step by its number of examples; its result is thrown away.

    Attributes:
      sessions: of the graph, with batches of at least as many examples.
      broadcast: what the round sends.
      feeds: of the round.
    """

    sessions: SessionPool
    broadcast: Sequence[np.ndarray]
    feeds: Mapping[str, np.ndarray]

    def __call__(self, num_examples: int) -> float | None:
        """The seconds of one step; None where the memory was not enough.

        Raises:
          WorkStopped: it was stopped.
          tf.errors.OpError: the graph failed.
        """
        # A store that has fewer shows some of them again, so that it may grow.
        order = np.stack([np.resize(epoch, num_examples) for epoch in self.feeds["order"]])
        try:
            with self.sessions.session() as session:
                started = time.perf_counter()
                session(self.broadcast, [{**self.feeds, "order": order, DEADLINE: _NEVER}])
        except (MemoryError, tf.errors.ResourceExhaustedError):
            return None
        return (time.perf_counter() - started) / len(order)
