"""From a process's start to the end of its first round: a new configuration, and a resumed run.

    python -m benchmarks.first_round

`python -m tff_retail.train` with MobileNetV2 at 32² on a chain whose photographs are in the cache,
as long as its users wait: until the first round's line, evaluation and saving included. Then it
is killed after its second round and started again. Beside it, stock TFF (at its defaults) trains
its first round of the same model on as many pictures, without evaluation.
"""

import argparse
import pathlib
import time
from collections.abc import Callable

from benchmarks.contender_process import ContenderFailed, ContenderProcess
from benchmarks.measurement import Scratch, run_alone
from benchmarks.noise_chain import write_noise_chain
from benchmarks.row import Comparison, Row, Series, paired_ratios
from benchmarks.speed_rows import CONTENDERS, STOCK
from benchmarks.training_command import training_command
from benchmarks.workloads import WORKLOADS, write_examples

NAME, TITLE = "first_round", "first round after start, MobileNetV2 32²"
_WORKLOAD = "mobilenet_v2_32"
_MAX_NEW_S, _MAX_RESUMED_S = 30.0, 10.0
_LIMIT_S = 240.0
# Of each store's photographs a fifth is kept for evaluation; the rest are the workload's.
_TRAINED_SHARE = 0.8


def measure(repetitions: int, scratch: Scratch, say: Callable[[str], None]) -> Row:
    """Starts the command, kills it, starts it again; and stock TFF; so many times in turn."""
    began = time.monotonic()
    workload = WORKLOADS[_WORKLOAD]
    flags = _flags(_make_chain(scratch.folder))
    examples = scratch.folder / "examples.npz"
    write_examples(workload, examples)
    logs = scratch.logs(NAME)
    _fill_cache(flags, scratch.folder / "first", logs / "cache.log")
    new, resumed, stock = [], [], []
    missing: dict[str, str] = {}
    for number in range(repetitions):
        output = [f"--output_dir={scratch.folder / f'run {number}'}"]
        with training_command([*flags, *output], log=logs / f"new_{number}.log") as command:
            new.append(command.seconds_until(_line_of(1), _LIMIT_S))
            command.seconds_until(_line_of(2), _LIMIT_S)
        with training_command([*flags, *output], log=logs / f"resumed_{number}.log") as command:
            resumed.append(command.seconds_until(_line_of(), _LIMIT_S))
        say(f"  new {new[-1]:.1f} s, resumed {resumed[-1]:.1f} s")
        if not missing:
            try:
                stock.append(_stock_seconds(examples, logs / "stock_tff.log"))
                say(f"  stock TFF {stock[-1]:.1f} s")
            except ContenderFailed as failure:
                missing[STOCK] = str(failure)
                stock.clear()
    return Row(
        name=NAME,
        title=TITLE,
        series=tuple(
            Series(name=name, unit="s", values=tuple(values))
            for name, values in (
                ("new configuration", new),
                ("resumed run", resumed),
                (STOCK, stock),
            )
            if values
        ),
        comparisons=(
            Comparison(name="new configuration", unit="s", values=tuple(new), at_most=_MAX_NEW_S),
            Comparison(name="resumed run", unit="s", values=tuple(resumed), at_most=_MAX_RESUMED_S),
            Comparison(
                name="stock TFF's time to its first round",
                values=paired_ratios(stock, new) if stock else (),
                at_least=1.0,
                remark=missing.get(STOCK, ""),
            ),
        ),
        missing=missing,
        seconds=time.monotonic() - began,
    )


def _line_of(round_num: int | None = None) -> str:
    """The pattern of a finished round's line; of any where none is said."""
    return rf"round +{round_num or '[0-9]+'}/[0-9]+ \|"


def _make_chain(folder: pathlib.Path) -> pathlib.Path:
    workload = WORKLOADS[_WORKLOAD]
    return write_noise_chain(
        folder / "chain",
        num_stores=workload.num_stores,
        photographs_per_store=round(workload.examples_per_store / _TRAINED_SHARE),
        image_size=workload.image_size,
        num_labels=workload.num_labels,
    )


def _flags(chain: pathlib.Path) -> list[str]:
    workload = WORKLOADS[_WORKLOAD]
    return [
        f"--data_dir={chain}",
        f"--model={workload.model}",
        f"--image_size={workload.image_size}",
        f"--batch_size={workload.batch_size}",
        "--client_optimizer=sgd",
        "--rounds=50",
    ]


def _fill_cache(flags: list[str], output: pathlib.Path, log: pathlib.Path) -> None:
    """Lets a run decode the photographs, and brings libraries into the system's memory."""
    with training_command([*flags, f"--output_dir={output}"], log=log) as command:
        command.seconds_until("compiling the round", _LIMIT_S)


def _stock_seconds(examples: pathlib.Path, log: pathlib.Path) -> float:
    start = time.perf_counter()
    arguments = [f"--workload={_WORKLOAD}", f"--examples={examples}"]
    contender = ContenderProcess(CONTENDERS[STOCK], arguments, log=log)
    try:
        contender.wait_until_ready(_LIMIT_S)
        contender.train_round(_LIMIT_S)
        return time.perf_counter() - start
    finally:
        contender.close()


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=3)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> list[Row]:
    return [measure(arguments.repetitions, scratch, print)]


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
