"""Peak memory of whole training runs: does it grow with the number of stores, or of rounds?

    python -m benchmarks.memory

`python -m tff_retail.train` on chains of tiny photographs, each run in a process of its own, from
an empty cache to the released model. Every run asks ten stores a round and, at its end, all
stores for an evaluation; the stores have equally many photographs.
"""

import argparse
import pathlib
import time
from collections.abc import Callable

from benchmarks.measurement import Scratch, run_alone
from benchmarks.noise_chain import write_noise_chain
from benchmarks.row import Comparison, Row, Series, paired_ratios
from benchmarks.training_command import training_command

NAME, TITLE = "memory", "memory, peak of a whole run"
_COHORT = 10
_STORES = (10, 100, 1000)
_ROUNDS = (5, 50)
_PHOTOGRAPHS_PER_STORE = 6
_IMAGE_SIZE = 32
_TOLERANCE = 0.05
_LIMIT_S = 120.0


def measure(repetitions: int, scratch: Scratch, say: Callable[[str], None]) -> Row:
    """Runs every configuration so many times, in turn."""
    began = time.monotonic()
    chains = {
        stores: write_noise_chain(
            scratch.folder / f"chain {stores}",
            num_stores=stores,
            photographs_per_store=_PHOTOGRAPHS_PER_STORE,
            image_size=_IMAGE_SIZE,
        )
        for stores in _STORES
    }
    configurations = [(stores, _ROUNDS[0]) for stores in _STORES] + [(_STORES[0], _ROUNDS[1])]
    peaks: dict[tuple[int, int], list[float]] = {one: [] for one in configurations}
    for number in range(repetitions):
        for stores, rounds in configurations:
            output = scratch.folder / f"run {stores} {rounds} {number}"
            flags = _flags(chains[stores], stores, rounds, output)
            log = scratch.logs(NAME) / f"{stores}_stores_{rounds}_rounds_{number}.log"
            with training_command(flags, log=log) as command:
                peaks[stores, rounds].append(command.peak_mib(_LIMIT_S))
            say(f"  {stores} stores, {rounds} rounds: {peaks[stores, rounds][-1]:.0f} MiB")
    first = configurations[0]
    return Row(
        name=NAME,
        title=TITLE,
        series=tuple(
            Series(name=f"{stores:,} stores, {rounds} rounds", unit="MiB", values=tuple(values))
            for (stores, rounds), values in peaks.items()
        ),
        comparisons=tuple(
            Comparison(
                name=_against(stores, rounds),
                values=paired_ratios(peaks[stores, rounds], peaks[first]),
                at_least=1 - _TOLERANCE,
                at_most=1 + _TOLERANCE,
            )
            for stores, rounds in configurations[1:]
        ),
        seconds=time.monotonic() - began,
    )


def _against(stores: int, rounds: int) -> str:
    if stores == _STORES[0]:
        return f"{rounds} rounds to {_ROUNDS[0]}"
    return f"{stores:,} stores to {_STORES[0]}"


def _flags(chain: pathlib.Path, stores: int, rounds: int, output: pathlib.Path) -> list[str]:
    return [
        f"--data_dir={chain}",
        f"--cache_dir={output}.cache",
        f"--output_dir={output}",
        "--model=simple_cnn",
        f"--image_size={_IMAGE_SIZE}",
        f"--participation={_COHORT / stores}",
        f"--rounds={rounds}",
        f"--eval_every={_ROUNDS[0]}",
    ]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, default=3)


def _measure(arguments: argparse.Namespace, scratch: Scratch) -> list[Row]:
    return [measure(arguments.repetitions, scratch, print)]


if __name__ == "__main__":
    run_alone(__doc__ or "", _measure, _arguments)
