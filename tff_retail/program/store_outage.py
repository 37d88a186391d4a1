"""One store of the demonstration that is killed in the middle of its work, and started again."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

from tff_retail.program.child_commands import Child


@dataclasses.dataclass
class StoreOutage:
    """Kills a store once, as soon as headquarters hears that it trains in some round or later.

    Attributes:
      name: of the store.
      child: its daemon.
      restart: starts it again.
      status: headquarters' `status.json`.
      from_round: the first round to kill it in.
      say: told of the kill and of the return.
      killed_in: the round it was killed in; None before.
      away_s: how long it was away; None until it is back.
    """

    name: str
    child: Child
    restart: Callable[[], Child]
    status: pathlib.Path
    from_round: int
    say: Callable[[str], None]
    killed_in: int | None = None
    away_s: float | None = None
    _killed_at_s: float = 0.0

    def look(self) -> None:
        """Does what is due; to be called again and again."""
        if self.killed_in is None:
            round_num = self._round_at_work()
            if round_num is not None and round_num >= self.from_round:
                self._kill(round_num)
        elif self.away_s is None and self._is_ready():
            self.away_s = time.monotonic() - self._killed_at_s
            self.say(f"{self.name} is back after {self.away_s:.0f} s")

    def _kill(self, round_num: int) -> None:
        self.child.kill()
        self.killed_in, self._killed_at_s = round_num, time.monotonic()
        self.child = self.restart()
        self.child.new_lines()  # in the same log, from before
        self.say(f"{self.name} was killed while it trained in round {round_num}, and started again")

    def _round_at_work(self) -> int | None:
        """The round that the store has last said to begin its training of, if it is at it still."""
        report = self._known().get("report") or {}
        if (report.get("state"), report.get("code")) != ("working", "train"):
            return None
        return int(report["values"]["round"])

    def _is_ready(self) -> bool:
        # Not from the status: what was written before the kill was noticed says the same.
        return any(line.startswith("ready for the run") for line in self.child.new_lines())

    def _known(self) -> dict[str, Any]:
        try:
            status = json.loads(self.status.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        known: dict[str, Any] = status["stores"].get(self.name, {})
        return known
