"""Speed of a round against the peers: the contenders of a workload, paired and interleaved.

    python -m benchmarks.speed --rows=many_small,process_next

The peers come from `make peers`; one that is not installed is told as missing.
"""

import argparse
import time
from collections.abc import Callable, Sequence

from benchmarks.measurement import Scratch, run_alone
from benchmarks.paired_rounds import PairedRounds, Timing, run_paired_rounds
from benchmarks.row import Row, Series
from benchmarks.speed_rows import CONTENDERS, SPEED_ROWS
from benchmarks.workloads import WORKLOADS, write_examples

# Above this, contenders that wait slow down the one whose turn it is.
_MAX_IDLE_LOAD = 0.05


def measure(
    rows: Sequence[str],
    *,
    timing: Timing,
    scratch: Scratch,
    say: Callable[[str], None],
) -> list[Row]:
    """Times the contenders of rows of one workload together.

    Args:
      rows: names in `SPEED_ROWS`.
      timing: how long and how often.
      scratch: for the pictures, and for logs.
      say: told how it goes.

    Raises:
      ValueError: the rows are of several workloads.
    """
    started = time.monotonic()
    workloads = {SPEED_ROWS[name].workload for name in rows}
    if len(workloads) != 1:
        raise ValueError(f"Rows timed together must be of one workload, found {sorted(workloads)}.")
    (workload,) = workloads
    examples = scratch.folder / f"{workload}.npz"
    write_examples(WORKLOADS[workload], examples)
    names = list(dict.fromkeys(name for row in rows for name in SPEED_ROWS[row].contenders))
    rounds = run_paired_rounds(
        [CONTENDERS[name] for name in names],
        [f"--workload={workload}", f"--examples={examples}"],
        timing=timing,
        log_dir=scratch.logs(workload),
        say=say,
    )
    examples.unlink()
    return [_row(name, rounds, time.monotonic() - started) for name in rows]


def _row(name: str, rounds: PairedRounds, seconds: float) -> Row:
    row = SPEED_ROWS[name]
    remarks = []
    if rounds.idle_load > _MAX_IDLE_LOAD:
        remarks.append(f"waiting contenders kept {rounds.idle_load:.2f} cores busy")
    return Row(
        name=name,
        title=row.title,
        series=tuple(
            Series(name=contender, unit="images/s", values=rounds.images_per_second[contender])
            for contender in row.contenders
            if contender in rounds.images_per_second
        ),
        comparisons=tuple(target.compare(rounds) for target in row.targets),
        missing={who: rounds.missing[who] for who in row.contenders if who in rounds.missing},
        versions={who: rounds.versions[who] for who in row.contenders if who in rounds.versions},
        remarks=tuple(remarks),
        seconds=seconds,
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    default = Timing()
    parser.add_argument("--rows", default="many_small,process_next", help="of one workload")
    parser.add_argument("--repetitions", type=int, default=default.repetitions)
    parser.add_argument("--budget_s", type=float, default=default.budget_s)
    parser.add_argument("--warm_up_rounds", type=int, default=default.warm_up_rounds)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> list[Row]:
    timing = Timing(
        repetitions=arguments.repetitions,
        budget_s=arguments.budget_s,
        warm_up_rounds=arguments.warm_up_rounds,
    )
    return measure(arguments.rows.split(","), timing=timing, scratch=scratch, say=print)


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
