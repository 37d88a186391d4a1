"""What narrower numbers on the wire save, and what they cost in accuracy.

    python -m benchmarks.update_bytes

Trains the same recogniser on drawn photographs with each pair of `--update_dtype` and
`--broadcast_dtype`, the same seeds for all of them. Bytes are those of the messages that real
stores would be sent and would send in a round; the runs are simulated, which changes no bit. A
result is kept in `--out` as soon as it is there; started again the command goes on. The table goes
into docs/results.md.
"""

import math
import pathlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from absl import flags

from benchmarks.machine import describe_machine
from benchmarks.marked_section import write_marked_section
from benchmarks.study_run import StudyRun, study_result, write_json
from tff_retail.command_line import run_main
from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    ScheduleConfig,
)

# (update, broadcast); the first is what the others are compared with.
DTYPES = (
    ("float32", "float32"),
    ("float16", "float16"),
    ("bfloat16", "bfloat16"),
    ("int8", "float32"),
    ("int4", "float32"),
    ("int8", "float16"),
    ("int4", "float16"),
)
_NUM_STORES, _NUM_LABELS, _IMAGE_SIZE, _IMAGES_PER_STORE = 5, 10, 32, 200
# Many to measure on: what narrow numbers cost is small.
_VALIDATION_FRACTION = 0.4
_DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"


def define_flags() -> None:
    """Defines the benchmark's flags, some of which bear the names of a run's."""
    flags.DEFINE_string("out", "runs/update_bytes", "Where everything is kept.")
    flags.DEFINE_list("seeds", ["1", "2", "3"], "Of the weights, the cohorts, the order.")
    flags.DEFINE_integer("rounds", 8, "Rounds of one local epoch.")
    flags.DEFINE_string("docs", str(_DOCS), "Gets the table.")


def main(arguments: list[str]) -> None:
    """Trains what is missing and writes the table."""
    if arguments:
        raise ConfigurationError(
            f"the benchmark takes flags only, found {arguments[0]!r}; see --help"
        )
    folder = pathlib.Path(flags.FLAGS.out).resolve()
    rounds = flags.FLAGS.rounds
    _write_photographs(folder / "chain")
    results = list(_train(folder, [int(seed) for seed in flags.FLAGS.seeds], rounds))
    rows = update_rows(results)
    write_json(folder / "results.json", {"machine": describe_machine(), "rows": rows})
    table = update_table(rows, rounds=rounds, num_evaluated=results[0]["num_evaluated"])
    print(table)
    write_marked_section(pathlib.Path(flags.FLAGS.docs) / "results.md", "bytes of updates", table)


def update_rows(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each pair of `DTYPES` that `results` has, in their order.

    Returns:
      The pair, `up` and `down` as shares of the float32 model's bytes, `mean` and `sd` of the
      accuracy in percent over seeds, and `cost`, `cost_sd`: the points that each seed lost beside
      the first pair with the same seed.
    """
    accuracies: dict[tuple[str, str], dict[int, float]] = {}
    shares = {}
    for result in results:
        pair = (result["update_dtype"], result["broadcast_dtype"])
        accuracies.setdefault(pair, {})[result["seed"]] = 100 * result["federated"]["top_1"]
        shares[pair] = (result["up"], result["down"])
    rows = []
    for pair in (pair for pair in DTYPES if pair in accuracies):
        found = accuracies[pair]
        lost = [accuracies[DTYPES[0]][seed] - accuracy for seed, accuracy in found.items()]
        up, down = shares[pair]
        rows.append(
            {
                "update_dtype": pair[0],
                "broadcast_dtype": pair[1],
                "up": up,
                "down": down,
                "mean": statistics.mean(found.values()),
                "sd": _spread(list(found.values())),
                "cost": statistics.mean(lost),
                "cost_sd": _spread(lost),
                "seeds": len(found),
            }
        )
    return rows


def update_table(rows: Sequence[Mapping[str, Any]], *, rounds: int, num_evaluated: float) -> str:
    """The rows as Markdown."""
    lines = [
        "| update | broadcast | bytes up | bytes down | top-1 | lost |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['update_dtype']} | {row['broadcast_dtype']} | {row['up']:.3f} | {row['down']:.3f} "
        f"| {row['mean']:.1f} ± {row['sd']:.1f} | {row['cost']:+.1f} ± {row['cost_sd']:.1f} |"
        for row in rows
    ]
    # One standard error of a share p of n photographs.
    share = rows[0]["mean"] / 100
    error = 100 * math.sqrt(share * (1 - share) / num_evaluated)
    lines += [
        "",
        "Bytes of a round's messages for each store, as shares of the model's bytes in float32. "
        f"Top-1 in percent after {rounds} rounds, mean ± standard deviation over "
        f"{rows[0]['seeds']} seed(s), on {num_evaluated} photographs, which know the accuracy of "
        f"one model to ± {error:.1f}. *Lost*: points beside the first row with the same seed, "
        "mean ± standard deviation; below zero it won.",
    ]
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _write_photographs(folder: pathlib.Path) -> None:
    from datasets.synthetic_shelf import write_synthetic_stores

    write_synthetic_stores(
        folder,
        num_stores=_NUM_STORES,
        num_labels=_NUM_LABELS,
        images_per_store=_IMAGES_PER_STORE,
        image_size=_IMAGE_SIZE,
        alpha=1.0,
        seed=7,
    )


def _train(folder: pathlib.Path, seeds: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    for seed in seeds:
        for update_dtype, broadcast_dtype in DTYPES:
            run = _study_run(folder, update_dtype, broadcast_dtype, seed, rounds)
            print(f"update {update_dtype}, broadcast {broadcast_dtype}, seed {seed}", flush=True)
            result = study_result(run, folder / "results")
            yield {**result, **message_shares(pathlib.Path(run.config.output_dir))}


def _study_run(
    folder: pathlib.Path, update_dtype: str, broadcast_dtype: str, seed: int, rounds: int
) -> StudyRun:
    name = f"{update_dtype}-{broadcast_dtype}-{seed}"
    keys = {"update_dtype": update_dtype, "broadcast_dtype": broadcast_dtype, "seed": seed}
    config = RunConfig(
        data=DataConfig(data_dir=str(folder / "chain"), validation_fraction=_VALIDATION_FRACTION),
        model=ModelConfig(name="simple_cnn", image_size=_IMAGE_SIZE),
        learning=LearningConfig(update_dtype=update_dtype, broadcast_dtype=broadcast_dtype),
        schedule=ScheduleConfig(rounds=rounds, seed=seed, eval_every=rounds),
        output_dir=str(folder / "runs" / name),
    )
    return StudyRun(name=name, keys=keys, config=config)


def message_shares(run: pathlib.Path) -> dict[str, float]:
    """`up` and `down`: bytes that travel for a store in a round, over the model's in float32.

    Args:
      run: directory of a finished run.
    """
    import numpy as np

    from tff_retail.runtime.approved_work import ApprovedWork
    from tff_retail.runtime.remote_question import Questions
    from tff_retail.runtime.round_form import load_round_form
    from tff_retail.runtime.store import WorkRequest
    from tff_retail.runtime.value_encoding import encode_compute_response, num_bytes

    form = load_round_form(run / "round_form" / "train")
    assert form is not None
    work = form["work"]
    result = [np.zeros([size or 0 for size in leaf.shape], leaf.dtype) for leaf in work.result]
    sent = [leaf for leaf in work.parameter if not leaf.is_sequence]
    broadcast = [np.zeros([size or 0 for size in leaf.shape], leaf.dtype) for leaf in sent]
    request = WorkRequest("train", 1, 0, broadcast)
    question = Questions(work, split="train", run=run.name).question(request)
    model = 4 * sum(array.size for array in broadcast)
    tree = ApprovedWork("train", "train", work).result_tree(result)
    return {
        "up": num_bytes(encode_compute_response(tree)) / model,
        "down": (num_bytes(question.broadcast) + len(question.data)) / model,
    }


if __name__ == "__main__":
    define_flags()
    run_main(main)
