"""Puts what was measured into docs/scale.md, so that no figure is typed by hand."""

import pathlib
from collections.abc import Sequence

from benchmarks.bench_table import series_markdown, targets_markdown
from benchmarks.machine import describe_machine, machine_text
from benchmarks.marked_section import write_marked_section
from benchmarks.row import Row


def write_scale_section(page: pathlib.Path, name: str, rows: Sequence[Row]) -> None:
    """Replaces the section of a benchmark; the load that it names is that of its last minute.

    Raises:
      ValueError: the page has no such section.
    """
    machine = machine_text(describe_machine()).replace("load at start", "load at the end")
    parts = [
        f"`python -m benchmarks.{name} --page={page}`. {machine}.",
        targets_markdown(rows),
        series_markdown(rows),
    ]
    write_marked_section(page, name, "\n\n".join(parts))
