"""A benchmark as a command of its own: machine first, then what was measured, and a file of it.

python -m benchmarks.input_share --out=input_share.json
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.bench_table import row_text
from benchmarks.machine import describe_machine, machine_text
from benchmarks.row import Row

CACHE = pathlib.Path(__file__).resolve().parents[1] / ".cache" / "bench"


@dataclasses.dataclass(frozen=True)
class Scratch:
    """Where a benchmark may write.

    Attributes:
      folder: for anything; it goes with the benchmark.
      kept: for logs, which stay.
    """

    folder: pathlib.Path
    kept: pathlib.Path

    def logs(self, name: str) -> pathlib.Path:
        """A folder for the logs of one measurement."""
        folder = self.kept / "logs" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextlib.contextmanager
def open_scratch(kept: pathlib.Path = CACHE) -> Iterator[Scratch]:
    """A `Scratch` whose folder is removed when the block ends."""
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=kept) as folder:
        yield Scratch(pathlib.Path(folder), kept)


def stop_on_signals() -> None:
    """Lets SIGTERM and SIGHUP unwind like Ctrl-C, so that what was started is ended."""

    def stop(number: int, frame: object) -> None:
        del frame
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def run_alone(
    description: str,
    measure: Callable[[argparse.Namespace, Scratch], Sequence[Row]],
    define_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """The body of `if __name__ == "__main__"` of a benchmark.

    Args:
      description: for `--help`.
      measure: takes the measurements.
      define_arguments: of `measure`, beside `--out`.
    """
    stop_on_signals()
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, help="a JSON file of what was measured")
    define_arguments(parser)
    arguments = parser.parse_args()
    machine = describe_machine()
    print(machine_text(machine), flush=True)
    with open_scratch() as scratch:
        rows = measure(arguments, scratch)
    for row in rows:
        print(f"\n{row_text(row)}")
    if arguments.out is not None:
        write_json(arguments.out, {"machine": machine, "rows": [row.to_json() for row in rows]})


def write_json(path: pathlib.Path, values: Any) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
