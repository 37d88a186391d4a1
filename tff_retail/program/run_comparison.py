"""Whether two runs made the same model, and which work a run over real stores had to do without."""

import csv
import pathlib
from collections.abc import Sequence

import numpy as np


def is_same_model(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two released models have equal weights: names, shapes and every bit.

    Args:
      one: folder with `weights.npz`.
      other: likewise.
    """
    return _bits(one) == _bits(other)


def missed_work(run_dir: pathlib.Path, stores: Sequence[str]) -> list[str]:
    """Which store gave no result in which round.

    Args:
      run_dir: of a run that was to ask all `stores` in every round.
      stores: their names.

    Returns:
      A clause for each round that missed something, such as `round 4: 1 of 5 stores in training`
      or `round 4: store_3 in evaluation`; none where all is there.
    """
    reports = [row for row in _rows(run_dir / "stores.csv") if row.get("num_examples")]
    evaluated = {(row["round"], row["store"]) for row in reports}
    rounds = {row["round"] for row in reports}
    missed = []
    for row in _rows(run_dir / "metrics.csv"):
        round_num = row["round"]
        if absent := len(stores) - int(float(row["stores/done"])):
            missed.append(f"round {round_num}: {absent} of {len(stores)} stores in training")
        missed += [
            f"round {round_num}: {name} in evaluation"
            for name in stores
            if round_num in rounds and (round_num, name) not in evaluated
        ]
    return missed


def _bits(model: pathlib.Path) -> list[tuple[str, tuple[int, ...], str, bytes]]:
    with np.load(model / "weights.npz") as arrays:
        return [
            (name, arrays[name].shape, str(arrays[name].dtype), arrays[name].tobytes())
            for name in arrays.files
        ]


def _rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
