"""What was measured, as text: for a terminal, and as Markdown for docs/performance.md."""

from collections.abc import Sequence

from benchmarks.row import Comparison, Row, Series
from tff_retail.program.text_table import format_table

_HEADER = ("workload", "against", "target", "reached", "met")


def targets_text(rows: Sequence[Row]) -> str:
    """Each target beside what was reached, for a terminal."""
    return format_table(_HEADER, _cells(rows, with_remarks=False))


def targets_markdown(rows: Sequence[Row]) -> str:
    """The same as a table of Markdown."""
    header = f"| {' | '.join(_HEADER)} |\n|---|---|---:|---:|---|"
    return "\n".join(
        [header, *(f"| {' | '.join(cells)} |" for cells in _cells(rows, with_remarks=True))]
    )


def series_markdown(rows: Sequence[Row]) -> str:
    """All that was measured: median, quartiles and number of repetitions."""
    header = "| workload | measured | median | quartiles | n |\n|---|---|---:|---:|---:|"
    lines = [
        f"| {row.title} | {series.name} | {_with_unit(series.median, series.unit)} "
        f"| {_spread(series)} | {len(series.values)} |"
        for row in rows
        for series in row.series
    ]
    return "\n".join([header, *lines])


def row_text(row: Row) -> str:
    """One row in full, for a terminal."""
    measured = [
        (series.name, _with_unit(series.median, series.unit), _spread(series))
        for series in row.series
    ]
    parts = [f"{row.title} ({row.seconds:.0f} s)"]
    if measured:
        parts.append(format_table(("measured", "median", "quartiles"), measured))
    parts.append(targets_text([row]))
    parts += [f"{one.name}: {one.remark}" for one in row.comparisons if one.remark]
    parts += [f"{name}: missing, {reason}" for name, reason in row.missing.items()]
    parts += list(row.remarks)
    return "\n".join(parts)


def reached_text(comparison: Comparison) -> str:
    """The median with its unit."""
    if comparison.reached is None:
        return "not measured"
    return _with_unit(comparison.reached, comparison.unit)


def target_text(comparison: Comparison) -> str:
    """What is asked, such as `≥ 1.30 ×`; a dash where nothing is."""
    low, high, unit = comparison.at_least, comparison.at_most, comparison.unit
    if low is not None and high is not None:
        return f"{_number(low)} to {_with_unit(high, unit)}"
    if low is not None:
        return f"≥ {_with_unit(low, unit)}"
    return "–" if high is None else f"≤ {_with_unit(high, unit)}"


def verdict_text(comparison: Comparison) -> str:
    """Whether the target is met; a dash where there is none."""
    if not comparison.has_target:
        return "–"
    return "yes" if comparison.is_met else "no"


def _cells(rows: Sequence[Row], *, with_remarks: bool) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        title = row.title
        for comparison in row.comparisons:
            name = comparison.name
            if comparison.remark and with_remarks:
                name = f"{name} ({comparison.remark})"
            cells.append(
                (
                    title,
                    name,
                    target_text(comparison),
                    reached_text(comparison),
                    verdict_text(comparison),
                )
            )
            title = ""
    return cells


def _spread(series: Series) -> str:
    low, high = series.quartiles
    return f"{_number(low)} – {_number(high)}"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    """Three digits that count, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
