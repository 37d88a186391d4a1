"""Which stores fail again and again, and how long they are left alone."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tff_retail.runtime.plain_collector import Outcome

# Two failures in a row may be one bad network; a third is a store that costs every round its
# deadline.
_FAILURES = 3
# The pause doubles with each further failure, up to so many rounds: a store that was repaired
# should not miss a whole run.
_MAX_PAUSE = 16


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a store has fared of late.

    Attributes:
      failures: rounds in a row in which it gave nothing.
      paused_until: the first round in which it is asked again; 0 where it is not set aside.
    """

    failures: int = 0
    paused_until: int = 0


class StoreStanding:
    """Counts failures by store; pauses are counted in rounds, so that they can be done again.

    Args:
      standings: what `to_json` gave.
    """

    def __init__(self, standings: Mapping[str, Mapping[str, int]] | None = None) -> None:
        self._standings = {name: Standing(**each) for name, each in (standings or {}).items()}

    def is_paused(self, name: str, round_num: int) -> bool:
        """Whether a store is set aside in this round."""
        return round_num < self._of(name).paused_until

    def heed(self, round_num: int, outcomes: Iterable[Outcome]) -> list[str]:
        """Takes note of a round.

        Returns:
          A sentence for each store that is set aside.
        """
        return [said for outcome in outcomes if (said := self._heed(round_num, outcome))]

    def to_json(self) -> dict[str, Any]:
        """The standings as JSON values."""
        return {name: dataclasses.asdict(each) for name, each in self._standings.items()}

    def _heed(self, round_num: int, outcome: Outcome) -> str:
        if outcome.is_surplus:
            return ""
        if outcome.failure is None:
            self._standings.pop(outcome.store, None)
            return ""
        failures = self._of(outcome.store).failures + 1
        pause = min(2 ** (failures - _FAILURES), _MAX_PAUSE) if failures >= _FAILURES else 0
        until = round_num + 1 + pause if pause else 0
        self._standings[outcome.store] = Standing(failures, until)
        if not pause:
            return ""
        rounds = "round" if pause == 1 else "rounds"
        return (
            f"{outcome.store} gave nothing {failures} times in a row and is set aside for "
            f"{pause} {rounds}"
        )

    def _of(self, name: str) -> Standing:
        return self._standings.get(name, Standing())
