"""A reader of what strangers send, as a fuzzer calls it."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class FuzzTarget:
    """A parser, what it may raise, and where a fuzzer begins.

    Attributes:
      read: the parser; what it gives back does not matter.
      errors: that it says it raises; any other is a finding.
      seeds: inputs that it takes, made by the project's own writers.
      max_bytes: of an input; more would only be slower.
      is_slow: whether it takes milliseconds, for it writes files; it gets fewer inputs.
    """

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Sequence[bytes]
    max_bytes: int = 4096
    is_slow: bool = False

    def run(self, data: bytes) -> None:
        """Gives the parser an input.

        Raises:
          Exception: of a kind that it does not declare.
        """
        with contextlib.suppress(*self.errors):
            self.read(data)
