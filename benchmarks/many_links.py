"""Rounds over many connected stores: time, CPU and memory of headquarters.

    python -m benchmarks.many_links --page=docs/scale.md

The stores answer at once, share a few processes, and share the machine with headquarters. Memory is
that of headquarters' process above what it has before a store connects and before there is a model.
"""

import time
from collections.abc import Sequence

from benchmarks.headquarters_process import MeasuredRounds, measure_rounds
from benchmarks.measurement import Scratch
from benchmarks.row import Comparison, Row, Series
from benchmarks.scale_page import run_for_scale_page

NAME, TITLE = "many_links", "connected stores"
_COUNTS = (10, 100, 1000)
_PROCESSES = 4
_MODEL_MB = 1.0
_MEGABYTE = 1e6
_MB_PER_STORE = 0.1


def measure(
    repetitions: int,
    scratch: Scratch,
    counts: Sequence[int] = _COUNTS,
    model_mb: float = _MODEL_MB,
) -> list[Row]:
    """One row a number of stores."""
    return [_row(count, repetitions, scratch, model_mb) for count in counts]


def _row(count: int, repetitions: int, scratch: Scratch, model_mb: float) -> Row:
    began = time.monotonic()
    flags = [f"--megabytes={model_mb}", f"--rounds={repetitions}"]
    stores = [f"--stores={count}", f"--processes={min(_PROCESSES, count)}"]
    found = measure_rounds(scratch, NAME, [*flags, *stores])
    peak = found.peak_series()
    return Row(
        name=f"{NAME}_{count}",
        title=f"{count:,} {TITLE}, {model_mb:g} MB each way",
        series=(
            _once("until all are connected", found, "connect_seconds"),
            _once("CPU of headquarters until then", found, "connect_cpu"),
            _once("memory of connected stores", found, "connected_bytes", "MB", _MEGABYTE),
            found.series("round", "seconds"),
            found.series("CPU of headquarters, a round", "cpu_seconds"),
            peak,
        ),
        comparisons=(
            Comparison(
                name="peak memory above its start; 3 models and 100 kB a store",
                unit="MB",
                values=peak.values,
                at_most=3 * found.model_bytes / _MEGABYTE + _MB_PER_STORE * count,
            ),
        ),
        seconds=time.monotonic() - began,
    )


def _once(
    name: str, found: MeasuredRounds, value: str, unit: str = "s", per: float = 1.0
) -> Series:
    return Series(name=name, unit=unit, values=(found.values[value] / per,))


if __name__ == "__main__":
    run_for_scale_page(__doc__ or "", NAME, measure, repetitions=3)
