"""A row of the benchmarks: what was measured, and how it stands to its targets."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """One quantity, measured again and again.

    Attributes:
      name: of what was measured, such as `limit`.
      unit: of the values, such as `images/s`.
      values: in the order of the repetitions.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third; of fewer than three values the extremes."""
        if len(self.values) < 3:
            return min(self.values), max(self.values)
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a target asks beside what was reached.

    Attributes:
      name: such as `of the limit`.
      unit: of the values; `×` for a ratio.
      values: one for each repetition, paired within it; empty where nothing could be measured.
      at_least, at_most: the target; both None where the figure is only told.
      of: the series it is compared with, where that is one of the row's; '' otherwise.
      remark: what limits the figure, such as a contender that is missing.
    """

    name: str
    unit: str = "×"
    values: tuple[float, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    of: str = ""
    remark: str = ""

    @property
    def has_target(self) -> bool:
        """Whether anything is asked."""
        return self.at_least is not None or self.at_most is not None

    @property
    def reached(self) -> float | None:
        """The median; None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def is_met(self) -> bool:
        """Whether the median is within the target; never where nothing was measured."""
        if self.reached is None:
            return False
        is_high_enough = self.at_least is None or self.reached >= self.at_least
        return is_high_enough and (self.at_most is None or self.reached <= self.at_most)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one benchmark found.

    Attributes:
      name: that `--only` takes.
      title: for a table.
      series: what was measured.
      comparisons: with the targets, in the order of the table.
      missing: why a contender or a measurement is not there, by its name.
      versions: of what ran, by contender.
      remarks: what one has to know to read the figures.
      measured_at: when, by ISO 8601.
      seconds: how long the benchmark took.
    """

    name: str
    title: str
    series: tuple[Series, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    measured_at: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values; medians, quartiles and verdicts are there for the reader."""
        values = dataclasses.asdict(self)
        for written, one in zip(values["series"], self.series, strict=True):
            written |= {"median": one.median, "quartiles": one.quartiles}
        for written, comparison in zip(values["comparisons"], self.comparisons, strict=True):
            written |= {"reached": comparison.reached, "is_met": comparison.is_met}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Row":
        """The row that `to_json` wrote."""
        series = [_known(Series, one) for one in values["series"]]
        comparisons = [_known(Comparison, one) for one in values["comparisons"]]
        return cls(
            **{
                **values,
                "series": tuple(series),
                "comparisons": tuple(comparisons),
                "remarks": tuple(values["remarks"]),
            }
        )


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """`ours / theirs` within each repetition.

    Raises:
      ValueError: they have not as many repetitions.
    """
    return tuple(a / b for a, b in zip(ours, theirs, strict=True))


def missing_row(name: str, title: str, reason: str) -> Row:
    """A row of which nothing could be measured."""
    nothing = Comparison(name="not measured", unit="", at_least=0.0, remark=reason)
    return Row(name=name, title=title, comparisons=(nothing,), missing={name: reason})


def _known(kind: type, values: Mapping[str, Any]) -> Any:
    fields = {field.name for field in dataclasses.fields(kind)}
    chosen = {name: value for name, value in values.items() if name in fields}
    return kind(**{**chosen, "values": tuple(chosen["values"])})
