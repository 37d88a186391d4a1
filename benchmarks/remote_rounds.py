"""What a round over real stores costs, beside the same bytes through plain TLS sockets.

    python -m benchmarks.remote_rounds --page=docs/scale.md

Five store processes on loopback; from `collect` to the sum, in turn with the plain exchange. The
stores answer the executor's calls at once. Memory is that of headquarters' process, above what it
has before a store connects and before there is a model: so the model that is sent counts, too.
"""

import time
from collections.abc import Sequence

from benchmarks.headquarters_process import MeasuredRounds, measure_rounds
from benchmarks.measurement import Scratch
from benchmarks.row import Comparison, Row, Series
from benchmarks.scale_page import run_for_scale_page

NAME, TITLE = "remote_rounds", "round over 5 real stores"
_NUM_STORES = 5
_SIZES_MB = (1.0, 10.0, 100.0)
_MILLISECONDS = 1000.0


def measure(repetitions: int, scratch: Scratch, sizes_mb: Sequence[float] = _SIZES_MB) -> list[Row]:
    """One row a size."""
    return [_row(size_mb, repetitions, scratch) for size_mb in sizes_mb]


def _row(size_mb: float, repetitions: int, scratch: Scratch) -> Row:
    began = time.monotonic()
    flags = [f"--megabytes={size_mb}", f"--rounds={repetitions}", "--sockets"]
    stores = [f"--stores={_NUM_STORES}", f"--processes={_NUM_STORES}"]
    found = measure_rounds(scratch, NAME, [*flags, *stores])
    series = (
        found.series("round over real stores", "seconds"),
        found.series("simulated round, updates at hand", "simulated_seconds"),
        found.series("plain TLS sockets", "plain_seconds"),
        found.series("CPU of headquarters", "cpu_seconds"),
        found.peak_series(),
    )
    return Row(
        name=f"{NAME}_{size_mb:g}",
        title=f"{TITLE}, {size_mb:g} MB each way",
        series=series,
        comparisons=tuple(_comparisons(size_mb, found, series)),
        seconds=time.monotonic() - began,
    )


def _comparisons(
    size_mb: float, found: MeasuredRounds, series: Sequence[Series]
) -> list[Comparison]:
    real, simulated, plain = (one.values for one in series[:3])
    overheads = [a - b for a, b in zip(real, simulated, strict=True)]
    # The targets of time at 1 MB and of memory at 100 MB are those sizes' alone.
    most_ms = 50.0 if size_mb == 1 else None
    most_models = 3.0 if size_mb == 100 else None
    return [
        Comparison(
            name="overhead over the simulated round, of plain TLS sockets' time",
            values=tuple(a / b for a, b in zip(overheads, plain, strict=True)),
            at_most=2.0,
            of="plain TLS sockets",
        ),
        Comparison(
            name="overhead over the simulated round",
            unit="ms",
            values=tuple(value * _MILLISECONDS for value in overheads),
            at_most=most_ms,
        ),
        Comparison(
            name="bytes to a store, of the model's",
            values=_per_model(found, "sent_bytes"),
            at_most=1.02,
        ),
        Comparison(
            name="bytes from a store, of the model's",
            values=_per_model(found, "received_bytes"),
            at_most=1.02,
        ),
        Comparison(
            name="headquarters' peak memory above its start",
            unit="models",
            values=tuple(value / found.model_bytes for value in found.of_rounds("peak_bytes")),
            at_most=most_models,
        ),
    ]


def _per_model(found: MeasuredRounds, name: str) -> tuple[float, ...]:
    return tuple(value / _NUM_STORES / found.model_bytes for value in found.of_rounds(name))


if __name__ == "__main__":
    run_for_scale_page(__doc__ or "", NAME, measure, repetitions=9)
