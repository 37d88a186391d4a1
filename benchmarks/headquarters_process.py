"""Runs `contenders.round_headquarters` and the stores that it starts, and ends them."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.marked_processes import marked_environment
from benchmarks.measurement import Scratch
from benchmarks.row import Series

_LIMIT_S = 600.0
_MEGABYTE = 1e6


@dataclasses.dataclass(frozen=True)
class MeasuredRounds:
    """What such a process measured.

    Attributes:
      values: its line of JSON.
    """

    values: dict[str, Any]

    @property
    def model_bytes(self) -> int:
        """Of the model."""
        return self.values["model_bytes"]

    def of_rounds(self, name: str) -> tuple[float, ...]:
        """A quantity of every round."""
        return tuple(one[name] for one in self.values["rounds"])

    def series(self, name: str, quantity: str, *, unit: str = "s", per: float = 1.0) -> Series:
        """A quantity of every round, divided by `per`, for a row."""
        return Series(
            name=name, unit=unit, values=tuple(value / per for value in self.of_rounds(quantity))
        )

    def peak_series(self) -> Series:
        """Memory at its peak, above what there was before stores and model."""
        name = "headquarters' peak memory above its start"
        return self.series(name, "peak_bytes", unit="MB", per=_MEGABYTE)


def measure_rounds(scratch: Scratch, name: str, flags: Sequence[str]) -> MeasuredRounds:
    """Rounds of a headquarters with these flags.

    Raises:
      RuntimeError: it failed; its log says why.
    """
    log = scratch.logs(name) / f"{'_'.join(flag.strip('-') for flag in flags)}.log"
    with (
        marked_environment({"TF_CPP_MIN_LOG_LEVEL": "2"}) as environment,
        tempfile.TemporaryDirectory(dir=scratch.folder) as folder,
        log.open("w", encoding="utf-8") as errors,
    ):
        module = "benchmarks.contenders.round_headquarters"
        process = subprocess.run(
            [sys.executable, "-m", module, *flags, f"--folder={folder}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=_LIMIT_S,
            check=False,
        )
    if process.returncode:
        raise RuntimeError(f"Headquarters ended with exit code {process.returncode}; see {log}")
    return MeasuredRounds(json.loads(process.stdout))
