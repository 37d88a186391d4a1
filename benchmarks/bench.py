"""Runs every benchmark of the Speed table and shows each target beside what was reached.

    make bench                                             all, in under twenty minutes
    python -m benchmarks.bench --only=many_small,memory    some; the others' results are kept
    python -m benchmarks.bench --write_docs                measures nothing: results into docs/

Results are in `.cache/bench/bench.json`, the picture beside it. On a machine with other work to do
the figures mean little: the load at the start is told.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.bench_picture import draw_speeds
from benchmarks.bench_table import row_text, targets_text
from benchmarks.benchmark_list import BENCHMARKS, Benchmark, chosen_benchmarks
from benchmarks.contender_process import CLONE
from benchmarks.machine import describe_machine, machine_text
from benchmarks.marked_processes import marked_environment
from benchmarks.measurement import CACHE, stop_on_signals, write_json
from benchmarks.performance_page import write_performance_page
from benchmarks.row import Row, missing_row

_RESULTS, _PICTURE = "bench.json", "bench.png"


def main(arguments: argparse.Namespace) -> None:
    """Measures what is wanted, and shows all there is."""
    results = arguments.out / _RESULTS
    if arguments.write_docs:
        write_performance_page(results, CLONE / "docs")
        return
    started = time.monotonic()
    machine = describe_machine()
    print(machine_text(machine), flush=True)
    kept = _read_rows(results) if arguments.only else {}
    for benchmark in chosen_benchmarks(arguments.only):
        print(f"\n{benchmark.module}: {', '.join(benchmark.rows)}", flush=True)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        measured = [
            dataclasses.replace(row, measured_at=now)
            for row in run_benchmark(benchmark, arguments.out, arguments.repetitions)
        ]
        kept |= {row.name: row for row in measured}
        for row in measured:
            print(f"\n{row_text(row)}", flush=True)
        # After each, so that an interrupted bench has something to show.
        write_json(results, _results(machine, kept))
    rows = _in_order(kept)
    draw_speeds(rows, arguments.out / _PICTURE)
    print(f"\n{targets_text(rows)}")
    print(f"\n{time.monotonic() - started:.0f} s; {results}, {arguments.out / _PICTURE}")


def run_benchmark(
    benchmark: Benchmark, out: pathlib.Path, repetitions: int | None = None
) -> list[Row]:
    """Runs one benchmark's command; rows that say why where it fails.

    Args:
      benchmark: which.
      out: a folder for its file.
      repetitions: other than the benchmark's own.
    """
    file = out / f"{benchmark.module}.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"benchmarks.{benchmark.module}", *benchmark.arguments]
    command += [f"--out={file.resolve()}"]
    command += [f"--repetitions={repetitions}"] if repetitions else []
    with marked_environment({"PYTHONUNBUFFERED": "1"}) as environment:
        process = subprocess.Popen(command, cwd=CLONE, env=environment, stdin=subprocess.DEVNULL)
        try:
            code = process.wait(timeout=benchmark.limit_s)
        except subprocess.TimeoutExpired:
            return _failed(benchmark, f"took more than {benchmark.limit_s:.0f} s")
        finally:
            _end(process)
    if code or not file.exists():
        return _failed(benchmark, f"ended with exit code {code}; see above")
    return list(_read_rows(file).values())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Lets a benchmark that still runs end what it started and remove its files."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)


def _failed(benchmark: Benchmark, reason: str) -> list[Row]:
    return [missing_row(name, title, reason) for name, title in benchmark.rows.items()]


def _results(machine: dict[str, object], rows: dict[str, Row]) -> dict[str, Any]:
    return {
        "machine": machine,
        "command": f"python -m benchmarks.bench {' '.join(sys.argv[1:])}".strip(),
        "rows": [row.to_json() for row in _in_order(rows)],
    }


def _read_rows(path: pathlib.Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    rows = [Row.from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    return {row.name: row for row in rows}


def _in_order(rows: dict[str, Row]) -> Sequence[Row]:
    names = [name for benchmark in BENCHMARKS for name in benchmark.rows]
    return [rows[name] for name in names if name in rows]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="rows, separated by commas")
    parser.add_argument("--repetitions", type=int, help="of each benchmark, at most")
    parser.add_argument("--out", type=pathlib.Path, default=CACHE, help="folder of the results")
    parser.add_argument("--write_docs", action="store_true", help="results into docs/")
    arguments = parser.parse_args()
    try:
        chosen_benchmarks(arguments.only)
    except ValueError as error:
        parser.error(str(error))
    return arguments


if __name__ == "__main__":
    stop_on_signals()
    main(_parse())
