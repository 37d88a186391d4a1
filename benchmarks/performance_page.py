"""Puts the benchmarks' results into docs/performance.md, so that no figure is typed by hand."""

import json
import os
import pathlib
from typing import Any

from benchmarks.bench_picture import draw_speeds
from benchmarks.bench_table import series_markdown, targets_markdown
from benchmarks.machine import machine_text
from benchmarks.row import Row

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_PAGE, _PICTURE = "performance.md", "performance.png"


def write_performance_page(results: pathlib.Path, docs: pathlib.Path) -> None:
    """Replaces what stands between the marks in `<docs>/performance.md`, and the picture.

    Raises:
      FileNotFoundError: nothing was measured yet, or there is no page.
      ValueError: the page has no marks.
    """
    values = json.loads(results.read_text(encoding="utf-8"))
    page = docs / _PAGE
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} must have the lines {BEGIN} and {END}, found none; add them.")
    rows = [Row.from_json(row) for row in values["rows"]]
    has_picture = draw_speeds(rows, docs / _PICTURE)
    written = f"{before}{BEGIN}\n{_results(values, rows, has_picture)}\n{END}{after}"
    temporary = page.with_name(f".{_PAGE}.tmp")
    temporary.write_text(written, encoding="utf-8")
    os.replace(temporary, page)


def _when(rows: list[Row]) -> str:
    """Rows of several runs may stand together, for `--only` keeps the others' results."""
    moments = sorted(row.measured_at[: len("2026-01-01T00:00")] for row in rows)
    return f"Measured from {moments[0]} to {moments[-1]}, UTC." if moments else ""


def _results(values: dict[str, Any], rows: list[Row], has_picture: bool) -> str:
    minutes = sum(row.seconds for row in rows if row.name != "process_next") / 60
    parts = [
        f"`{values['command']}`, {minutes:.0f} minutes. {_when(rows)}",
        f"Machine: {machine_text(values['machine'])}.",
        targets_markdown(rows),
    ]
    if has_picture:
        parts.append(f"![Images a second of each contender]({_PICTURE})")
    parts += ["All that was measured:", series_markdown(rows)]
    remarks = [
        f"* {row.title}: {remark}"
        for row in rows
        for remark in (*row.remarks, *(f"{who} missing, {why}" for who, why in row.missing.items()))
    ]
    versions = {
        f"{who}: {', '.join(f'{name} {version}' for name, version in found.items())}"
        for row in rows
        for who, found in row.versions.items()
    }
    parts += ["\n".join(remarks)] if remarks else []
    parts += [f"Versions: {'; '.join(sorted(versions))}."] if versions else []
    return "\n\n".join(parts)
