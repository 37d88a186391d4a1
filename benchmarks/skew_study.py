"""How label skew costs accuracy, beside NVFlare's published study of the same question.

    python -m benchmarks.skew_study

NVIDIA FLARE's TensorFlow example trains CIFAR-10 federatedly over 8 sites (50 rounds of 4 local
epochs) and shows FedAvg fall as the Dirichlet concentration does
(https://github.com/NVIDIA/NVFlare/tree/main/examples/getting_started/tf). Here the photographs are
drawn ones of 10 products at 32 pixels, pooled from 8 synthetic stores and spread anew; sites,
concentrations and local epochs are the published ones, the rounds fewer. What is compared is the
direction: which setting is above which, and by how much beside central training.

Every run is the product's own, measured after the last round on photographs that no site has. A
result is kept in `--out` as soon as it is there; started again the command goes on. The table goes
into docs/results.md.
"""

import functools
import pathlib
import shutil
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

# Top-1 in percent, by Dirichlet concentration, as NVFlare's README gives them.
PUBLISHED = {"central": 87.6, 1.0: 88.4, 0.5: 86.9, 0.3: 83.2, 0.1: 79.0}
ALPHAS = (1.0, 0.5, 0.3, 0.1)
_NUM_SITES, _LOCAL_EPOCHS = 8, 4
_NUM_LABELS, _IMAGE_SIZE = 10, 32
# Photographs of a store, of which every third one measures: few enough that central training does
# not reach 100 %.
_IMAGES_PER_STORE, _ONE_IN = 150, 3
_KEEPS_NONE = 1e-6
_DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"


def define_flags() -> None:
    """Defines the study's flags, some of which bear the names of a run's."""
    flags.DEFINE_string("out", "runs/skew_study", "Where everything is kept.")
    flags.DEFINE_list("seeds", ["1", "2", "3"], "Of the spreading, the weights, the order.")
    flags.DEFINE_integer("rounds", 8, "Rounds of 4 local epochs.")
    flags.DEFINE_string("docs", str(_DOCS), "Gets the table.")


def main(arguments: list[str]) -> None:
    """Trains what is missing and writes the table."""
    if arguments:
        raise ConfigurationError(f"the study takes flags only, found {arguments[0]!r}; see --help")
    folder = pathlib.Path(flags.FLAGS.out).resolve()
    write_photographs(folder)
    seeds = [int(seed) for seed in flags.FLAGS.seeds]
    results = list(_train(folder, seeds, flags.FLAGS.rounds))
    rows = skew_rows(results)
    write_json(folder / "results.json", {"machine": describe_machine(), "rows": rows})
    table = skew_table(rows, rounds=flags.FLAGS.rounds, num_evaluated=results[0]["num_evaluated"])
    print(table)
    write_marked_section(pathlib.Path(flags.FLAGS.docs) / "results.md", "label skew", table)


def skew_rows(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Central first, then each concentration: `mean` and `sd` over seeds, and `published`."""
    values: dict[Any, list[float]] = {"central": []}
    for result in results:
        if result["central"] is not None:
            values["central"].append(100 * result["central"]["top_1"])
        values.setdefault(result["alpha"], []).append(100 * result["federated"]["top_1"])
    return [
        {
            "setting": setting,
            "mean": statistics.mean(found),
            "sd": statistics.stdev(found) if len(found) > 1 else None,
            "seeds": len(found),
            "published": PUBLISHED[setting],
        }
        for setting, found in values.items()
    ]


def agreeing_pairs(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Of all pairs of settings, how many stand in the published order, and how many there are."""
    pairs = [(a, b) for index, a in enumerate(rows) for b in rows[index + 1 :]]
    agreeing = [(a["mean"] - b["mean"]) * (a["published"] - b["published"]) > 0 for a, b in pairs]
    return sum(agreeing), len(pairs)


def skew_table(rows: Sequence[Mapping[str, Any]], *, rounds: int, num_evaluated: float) -> str:
    """The rows as Markdown, ours beside the published figures."""
    ours, theirs = rows[0]["mean"], rows[0]["published"]
    lines = ["| | ours | of central | published | of central |", "|---|---|---|---|---|"]
    for row in rows:
        name = "central" if row["setting"] == "central" else f"Dirichlet {row['setting']:g}"
        spread = "" if row["sd"] is None else f" ± {row['sd']:.1f}"
        lines.append(
            f"| {name} | {row['mean']:.1f}{spread} | {row['mean'] / ours:.0%} "
            f"| {row['published']:.1f} | {row['published'] / theirs:.0%} |"
        )
    agreeing, pairs = agreeing_pairs(rows)
    lines += [
        "",
        f"Top-1 in percent after {rounds} rounds of {_LOCAL_EPOCHS} local epochs, {_NUM_SITES} "
        f"sites, mean ± standard deviation over {rows[0]['seeds']} seed(s), on {num_evaluated} "
        f"photographs. {agreeing} of {pairs} pairs of settings stand in the published order.",
    ]
    return "\n".join(lines)


def write_photographs(folder: pathlib.Path) -> None:
    """Draws the photographs: `<folder>/train/<label>/` and `<folder>/test/<label>/`."""
    from datasets.synthetic_shelf import write_synthetic_stores
    from datasets.whole_folder import make_whole_folder

    write_synthetic_stores(
        folder / "shelf",
        num_stores=_NUM_SITES,
        num_labels=_NUM_LABELS,
        images_per_store=_IMAGES_PER_STORE,
        image_size=_IMAGE_SIZE,
        alpha=100.0,
        seed=7,
    )
    for split in ("train", "test"):
        make_whole_folder(
            folder / split,
            made_from={"split": split, "one_in": _ONE_IN, "images_per_store": _IMAGES_PER_STORE},
            write=functools.partial(_copy_split, folder / "shelf", split),
        )


def _copy_split(shelf: pathlib.Path, split: str, target: pathlib.Path) -> None:
    for number, photograph in enumerate(sorted(shelf.glob("*/*/*.jpg"))):
        if (number % _ONE_IN == 0) == (split == "test"):
            label_folder = target / photograph.parent.name
            label_folder.mkdir(exist_ok=True)
            store = photograph.parents[1].name
            shutil.copyfile(photograph, label_folder / f"{store}_{photograph.name}")


def _train(folder: pathlib.Path, seeds: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    from datasets.label_folders import open_label_folders
    from datasets.partitioned_stores import write_partitioned_stores

    for seed in seeds:
        for alpha in ALPHAS:
            study_run = skew_run(folder, alpha, seed, rounds)
            assert study_run.config.data.data_dir is not None
            write_partitioned_stores(
                open_label_folders(str(folder / "train")),
                study_run.config.data.data_dir,
                method="dirichlet",
                num_stores=_NUM_SITES,
                alpha=alpha,
                seed=seed,
            )
            print(f"Dirichlet {alpha}, seed {seed}", flush=True)
            yield study_result(study_run, folder / "results")


def skew_run(folder: pathlib.Path, alpha: float, seed: int, rounds: int) -> StudyRun:
    """One run: FedAvg at a concentration; with the first one central training beside it."""
    name = f"{alpha}-{seed}"
    config = RunConfig(
        data=DataConfig(
            data_dir=str(folder / "chains" / name),
            eval_dir=str(folder / "test"),
            validation_fraction=_KEEPS_NONE,
        ),
        model=ModelConfig(name="simple_cnn", image_size=_IMAGE_SIZE, width_multiplier=0.5),
        learning=LearningConfig(local_epochs=_LOCAL_EPOCHS, batch_size=8),
        schedule=ScheduleConfig(rounds=rounds, seed=seed, eval_every=rounds),
        output_dir=str(folder / "runs" / name),
        compare_central=alpha == ALPHAS[0],
    )
    return StudyRun(name=name, keys={"alpha": alpha, "seed": seed}, config=config)


if __name__ == "__main__":
    define_flags()
    run_main(main)
