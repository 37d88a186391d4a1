"""What a round costs more on Ray than in one process, on one machine: many small stores.

    python -m benchmarks.ray_overhead

A cluster of this machine alone, with as many actors as cores, against the local engine with as
many stores side by side; both wired as a run wires them. Needs `make venv RAY=1`.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Sequence

from benchmarks.contender_process import Contender
from benchmarks.measurement import Scratch, run_alone
from benchmarks.paired_rounds import Timing, run_paired_rounds
from benchmarks.row import Comparison, Row, Series, paired_ratios
from benchmarks.workloads import WORKLOADS, write_examples

NAME, TITLE = "ray_overhead", "a round on Ray against one process, many small stores"
_WORKLOAD = "many_small"
_MAX_OVERHEAD = 1.10
_ENGINES = {
    engine: Contender(
        name=f"--engine={engine}",
        module="benchmarks.contenders.engine_rounds",
        arguments=(f"--variant={engine}",),
    )
    for engine in ("local", "ray")
}


def measure(timing: Timing, scratch: Scratch, say: Callable[[str], None]) -> Row:
    """Times rounds of both engines in turn."""
    began = time.monotonic()
    examples = scratch.folder / f"{_WORKLOAD}.npz"
    write_examples(WORKLOADS[_WORKLOAD], examples)
    rounds = run_paired_rounds(
        list(_ENGINES.values()),
        [f"--workload={_WORKLOAD}", f"--examples={examples}"],
        timing=timing,
        log_dir=scratch.logs(NAME),
        say=say,
    )
    examples.unlink()
    shutil.rmtree(scratch.folder / f"{_WORKLOAD}_cache", ignore_errors=True)
    speeds = rounds.images_per_second
    local, ray = (_ENGINES[engine].name for engine in ("local", "ray"))
    values = paired_ratios(speeds[local], speeds[ray]) if {local, ray} <= set(speeds) else ()
    comparison = Comparison(
        name="time of a round, of the local engine's",
        values=values,
        at_most=_MAX_OVERHEAD,
        of=local,
        remark="" if values else f"missing: {', '.join(rounds.missing)}",
    )
    return Row(
        name=NAME,
        title=TITLE,
        series=tuple(
            Series(name=name, unit="images/s", values=found) for name, found in speeds.items()
        ),
        comparisons=(comparison,),
        missing=rounds.missing,
        versions=rounds.versions,
        seconds=time.monotonic() - began,
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=9)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> Sequence[Row]:
    return [measure(Timing(repetitions=arguments.repetitions), scratch, print)]


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
