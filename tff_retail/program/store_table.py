"""What each store told of its own training and evaluation, a line for each store and round.

Hundreds of stores over hundreds of rounds make a file too long to be written anew each round,
so a round is appended in one write; only a column seen for the first time rewrites the file.
"""

import csv
import io
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

_ROUND = "round"
_STORE = "store"


def cut_rows(path: pathlib.Path, next_round: int) -> None:
    """Drops the rows of `next_round` and later, and one that a killed process left half written.

    Args:
      path: a CSV file whose first column is the round; need not exist.
      next_round: the first round that will be written anew.
    """
    if not path.exists():
        return
    header, rows = _read(path)
    kept = [row for row in rows if len(row) == len(header) and _is_before(row[0], next_round)]
    if len(kept) < len(rows):
        _replace(path, [header, *kept])


def _is_before(field: str, next_round: int) -> bool:
    return field.isdecimal() and int(field) < next_round


class StoreTable:
    """A CSV file with the columns round, store and whatever metrics the stores report."""

    def __init__(self, path: pathlib.Path, *, next_round: int) -> None:
        """Opens the table at `path`, or begins it, without rows of `next_round` and later."""
        self._path = path
        cut_rows(path, next_round)
        if path.exists():
            self._columns, _ = _read(path)
        else:
            self._columns = [_ROUND, _STORE]
            _replace(path, [self._columns])

    def append(self, round_num: int, stores: Mapping[str, Mapping[str, float]]) -> None:
        """Adds one row for each store, in the order given.

        Args:
          round_num: the round the reports are of.
          stores: metrics by name, by store; a store that withholds its report has none.
        """
        self._add_columns(name for metrics in stores.values() for name in metrics)
        rows = [
            [str(round_num), store, *(str(metrics.get(c, "")) for c in self._columns[2:])]
            for store, metrics in stores.items()
        ]
        with self._path.open("ab", buffering=0) as file:
            unwritten = memoryview(_encode(rows))
            while unwritten:
                unwritten = unwritten[file.write(unwritten) :]

    def _add_columns(self, names: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._columns]
        if new:
            _, rows = _read(self._path)
            self._columns = [*self._columns, *new]
            blanks = [""] * len(new)
            _replace(self._path, [self._columns, *([*row, *blanks] for row in rows)])


def _read(path: pathlib.Path) -> tuple[list[str], list[list[str]]]:
    # A byte that is no UTF-8 can only be the half of a character at a torn end.
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file)
        return next(reader, [_ROUND]), list(reader)


def _replace(path: pathlib.Path, rows: Sequence[Sequence[str]]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(_encode(rows))
    os.replace(temporary, path)


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    # Folder names that are no UTF-8 reach Python as lone surrogates.
    return text.getvalue().encode("utf-8", errors="backslashreplace")
