"""What `doctor` finds: one line a subject, with what to do about it."""

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_COLUMNS = 100
_SUBJECT_COLUMNS = 16


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """How one thing is.

    Attributes:
      subject: what was looked at.
      state: `ok`, `warning` (works, for now) or `problem` (does not).
      found: a clause or a sentence.
      remedy: what to do; '' where there is nothing to do.
    """

    subject: str
    state: str
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def diagnosis_text(diagnoses: Sequence[Diagnosis]) -> str:
    """All of it for a terminal of 100 columns, and how many there are of each."""
    lines = [line for each in diagnoses for line in _lines(each)]
    counts = {s: sum(each.state == s for each in diagnoses) for s in (PROBLEM, WARNING, OK)}
    problems, warnings, fine = counts.values()
    total = f"{_plural(problems, 'problem')}, {_plural(warnings, 'warning')}, {fine} ok"
    return "\n".join([*lines, total])


def has_problem(diagnoses: Iterable[Diagnosis]) -> bool:
    """Whether anything does not work."""
    return any(each.state == PROBLEM for each in diagnoses)


def _lines(each: Diagnosis) -> list[str]:
    margin = " " * (len(PROBLEM) + 2 + _SUBJECT_COLUMNS + 2)
    start = f"{each.state:<{len(PROBLEM)}}  {each.subject:<{_SUBJECT_COLUMNS}}  "
    lines = textwrap.wrap(each.found, _COLUMNS, initial_indent=start, subsequent_indent=margin)
    if each.remedy:
        lines += textwrap.wrap(
            f"→ {each.remedy}", _COLUMNS, initial_indent=margin, subsequent_indent=f"{margin}  "
        )
    return lines


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
