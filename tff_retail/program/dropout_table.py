"""Which stores gave nothing in which round, and why: `dropouts.csv` of a run over real stores.

A row a store and round, with a code of docs/operations.md and the time; rows of a round that is
done again after a kill are dropped first. What the run's summary says of it comes from here, so
that it counts the rounds before a restart too.
"""

import csv
import datetime
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tff_retail.program.store_table import cut_rows
from tff_retail.program.text_table import format_table
from tff_retail.runtime.plain_collector import Outcome

_COLUMNS = ("round", "store", "code", "time")
_HEADER = ("store that dropped out", "times", "why", "since round", "last in round")


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class DropoutTable:
    """The file.

    Args:
      path: of it; made when a store drops out.
      now: gives the time, aware.
    """

    def __init__(
        self, path: pathlib.Path, *, now: Callable[[], datetime.datetime] = _utc_now
    ) -> None:
        self._path, self._now = path, now

    def begin(self, round_num: int) -> None:
        """Drops what is there of `round_num` and later, which are done anew."""
        cut_rows(self._path, round_num)

    def add(self, round_num: int, outcomes: Iterable[Outcome]) -> None:
        """Takes note of a round, or of an attempt at it."""
        time = self._now().isoformat(timespec="seconds")
        rows = [
            (round_num, outcome.store, outcome.code, time)
            for outcome in outcomes
            if outcome.failure is not None and not outcome.is_surplus
        ]
        if not rows:
            return
        is_new = not self._path.exists()
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *rows] if is_new else rows)

    def to_json(self) -> dict[str, Any]:
        """By store that dropped out: how often, the codes with their counts, first and last."""
        found: dict[str, Any] = {}
        for row in self._rows():
            number, name, code = int(row["round"]), row["store"], row["code"]
            store = found.setdefault(
                name, {"times": 0, "codes": {}, "since_round": number, "since": row["time"]}
            )
            store["times"] += 1
            store["codes"][code] = store["codes"].get(code, 0) + 1
            store |= {"last_code": code, "last_round": number, "last": row["time"]}
        return dict(sorted(found.items()))

    def text(self) -> str:
        """The same as a table; '' where no store dropped out."""
        rows = [
            (
                name,
                str(store["times"]),
                ", ".join(f"{code} {times}" for code, times in _by_count(store["codes"])),
                str(store["since_round"]),
                str(store["last_round"]),
            )
            for name, store in self.to_json().items()
        ]
        return format_table(_HEADER, rows) if rows else ""

    def _rows(self) -> list[dict[str, str]]:
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                return [row for row in csv.DictReader(file) if None not in row.values()]
        except FileNotFoundError:
            return []


def _by_count(codes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(codes.items(), key=lambda item: (-item[1], item[0]))
