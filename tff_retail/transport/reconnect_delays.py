"""How long a store waits before it connects again: exponential back-off with full jitter.

When headquarters starts anew, a thousand stores must not come back in the same second.
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import random
from collections.abc import Callable

# A connection that lasts so long was more than a headquarters that fails at every store again.
_SOUND_S = 5.0


class ReconnectDelays:
    """Delays from 0 to a bound that doubles with each failure in a row.

    Args:
      first_s: the first bound.
      most_s: no bound is larger.
      draw: gives numbers in [0, 1).
    """

    def __init__(
        self,
        first_s: float = 1.0,
        most_s: float = 60.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._draw = draw
        self._bound_s = first_s

    def next_s(self, attended_s: float = 0.0) -> float:
        """Seconds to wait.

        Args:
          attended_s: how long the last connection lasted; one that lasted some seconds was sound,
            and the bounds start again. Where headquarters takes stores and loses them at once, they
            grow all the same.
        """
        if attended_s >= _SOUND_S:
            self._bound_s = self._first_s
        delay_s = self._draw() * self._bound_s
        self._bound_s = min(self._most_s, 2 * self._bound_s)
        return delay_s
