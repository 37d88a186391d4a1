"""All benchmarks: which command measures which rows, within twenty minutes in all."""

import dataclasses

from benchmarks.speed_rows import SPEED_ROWS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A command of its own, so that one benchmark leaves nothing behind for the next.

    Attributes:
      module: of `benchmarks`.
      rows: that it measures, in the order of the table; names and titles.
      arguments: of the command, chosen for the twenty minutes.
      limit_s: it is ended after so much time.
    """

    module: str
    rows: dict[str, str]
    arguments: tuple[str, ...]
    limit_s: float = 600.0


def _speed(*rows: str, repetitions: int, budget_s: int, warm_up_rounds: int = 2) -> Benchmark:
    return Benchmark(
        module="speed",
        rows={row: SPEED_ROWS[row].title for row in rows},
        arguments=(
            f"--rows={','.join(rows)}",
            f"--repetitions={repetitions}",
            f"--budget_s={budget_s}",
            f"--warm_up_rounds={warm_up_rounds}",
        ),
    )


# Titles stand here too, so that a benchmark that fails has a row as well.
BENCHMARKS = (
    _speed("mobilenet_v2_32", repetitions=9, budget_s=70),
    _speed("resnet18_32", repetitions=3, budget_s=90, warm_up_rounds=1),
    _speed("mobilenet_v2_96", repetitions=3, budget_s=130, warm_up_rounds=1),
    _speed("many_small", "process_next", repetitions=7, budget_s=100),
    Benchmark(
        module="cached_features",
        rows={"cached_features": "frozen backbone, features cached"},
        arguments=("--repetitions=3",),
    ),
    Benchmark(
        module="memory",
        rows={"memory": "memory, peak of a whole run"},
        arguments=("--repetitions=1",),
    ),
    Benchmark(
        module="first_round",
        rows={"first_round": "first round after start"},
        arguments=("--repetitions=2",),
    ),
    Benchmark(
        module="input_share",
        rows={"input_share": "images from the cache"},
        arguments=("--repetitions=3",),
    ),
)


def chosen_benchmarks(only: str) -> list[Benchmark]:
    """The benchmarks of the rows that `--only` names, separated by commas; all for ''.

    Raises:
      ValueError: there is no such row.
    """
    if not only:
        return list(BENCHMARKS)
    wanted = set(only.split(","))
    known = {row for benchmark in BENCHMARKS for row in benchmark.rows}
    if not wanted <= known:
        raise ValueError(
            f"--only must name rows among {', '.join(sorted(known))}, found "
            f"{', '.join(sorted(wanted - known))}"
        )
    return [benchmark for benchmark in BENCHMARKS if wanted & set(benchmark.rows)]
