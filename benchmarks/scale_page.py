"""Puts what was measured into docs/scale.md, so that no figure is typed by hand."""

import argparse
import pathlib
from collections.abc import Callable, Sequence

from benchmarks.bench_table import series_markdown, targets_markdown
from benchmarks.machine import describe_machine, machine_text
from benchmarks.marked_section import write_marked_section
from benchmarks.measurement import Scratch, run_alone
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


def run_for_scale_page(
    purpose: str, name: str, measure: Callable[[int, Scratch], list[Row]], *, repetitions: int
) -> None:
    """Runs a benchmark of the page as a command: `--repetitions`, and `--page` to write it.

    Args:
      purpose: of the benchmark, for its help.
      name: of its section.
      measure: gives its rows, of so many repetitions, in a scratch folder.
      repetitions: by default.
    """

    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--repetitions", type=int, default=repetitions)
        parser.add_argument("--page", type=pathlib.Path, help="whose section is written anew")

    def run(values: argparse.Namespace, scratch: Scratch) -> list[Row]:
        rows = measure(values.repetitions, scratch)
        if values.page is not None:
            write_scale_section(values.page, name, rows)
        return rows

    run_alone(purpose, run, arguments)
