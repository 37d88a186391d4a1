"""What is learned from real photographs: federatedly, centrally, and by each store alone.

    python -m benchmarks.real_photographs --grocery_dir=GroceryStoreDataset/dataset

The Grocery Store Dataset (Klasson et al. 2019) is spread over ten stores, by a Dirichlet draw of
0.5 and of 0.1. Every run is the product's own (`tff_retail.program.run`): the federated model, the
same model trained centrally on all stores' photographs and, in the first run where only the head is
trained, on each store alone, as many epochs each, all measured on the authors' 296 validation
photographs after the last round. `benchmarks.real_photographs_plan` says what the networks start
from.

A result is kept in `--out` as soon as it is there, with its configuration: the command started
again goes on, with more seeds it adds them, and what other settings gave is made anew. At the end,
or with `--report_only`, it writes `results.json` in `--out`, and the table of docs/results.md with
its pictures.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

from absl import flags

from benchmarks.backbone_file import write_backbone
from benchmarks.grocery_folders import write_grocery_folders, write_halves
from benchmarks.machine import describe_machine
from benchmarks.real_photographs_plan import HEAD_ONLY, STARTS, StudyPlan
from benchmarks.study_run import kept_result, study_result, write_json
from tff_retail.command_line import run_main
from tff_retail.config import ConfigurationError

_DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
# What a backbone is pre-trained on: 60 products, more than twice the real photographs.
_SHELF_STORES, _SHELF_LABELS, _SHELF_IMAGES_PER_STORE = 5, 60, 1200

_GROCERY_DIR = flags.DEFINE_string("grocery_dir", None, "The data set's folder `dataset`.")
_OUT = flags.DEFINE_string("out", "runs/real_photographs", "Where everything is kept.")
_STARTS = flags.DEFINE_list("starts", ["half", "scratch"], f"Of {', '.join(STARTS)}.")
_ALPHAS = flags.DEFINE_list("alphas", ["0.5", "0.1"], "Dirichlet concentrations.")
_SEEDS = flags.DEFINE_list("seeds", ["1", "2", "3"], "Of everything random, head alone trained.")
_ALL_LAYERS_SEEDS = flags.DEFINE_list("all_layers_seeds", ["1"], "The same, all layers.")
_ALL_LAYERS_ALPHAS = flags.DEFINE_list(
    "all_layers_alphas", ["0.5"], "The same, all layers trained."
)
_ROUNDS = flags.DEFINE_integer("rounds", StudyPlan.rounds, "Rounds, all layers trained.")
_HEAD_ROUNDS = flags.DEFINE_integer("head_rounds", StudyPlan.head_rounds, "Head alone trained.")
_PRETRAINING = flags.DEFINE_integer(
    "pretraining_epochs", StudyPlan.pretraining_epochs, "Epochs of a backbone."
)
_WIDTH = flags.DEFINE_float(
    "width_multiplier", StudyPlan.width_multiplier, "Factor on the network's channels."
)
_DOCS_DIR = flags.DEFINE_string("docs", str(_DOCS), "Gets the table and the pictures.")
_REPORT_ONLY = flags.DEFINE_boolean("report_only", False, "Train nothing, report what is there.")


def main(arguments: list[str]) -> None:
    """Trains what is missing and reports."""
    if arguments:
        raise ConfigurationError(f"the study takes flags only, found {arguments[0]!r}; see --help")
    plan = StudyPlan(
        folder=pathlib.Path(_OUT.value).resolve(),
        alphas=tuple(float(alpha) for alpha in _ALPHAS.value),
        alone_seed=int(_SEEDS.value[0]),
        rounds=_ROUNDS.value,
        head_rounds=_HEAD_ROUNDS.value,
        pretraining_epochs=_PRETRAINING.value,
        width_multiplier=_WIDTH.value,
    )
    results = list(_kept(plan) if _REPORT_ONLY.value else _train(plan))
    if results:
        _report(plan, results)


def _settings() -> Iterator[tuple[str, float, int]]:
    """Start, alpha and seed of all runs."""
    for start in _STARTS.value:
        is_head_only = start == HEAD_ONLY
        for seed in (_SEEDS if is_head_only else _ALL_LAYERS_SEEDS).value:
            for alpha in (_ALPHAS if is_head_only else _ALL_LAYERS_ALPHAS).value:
                yield start, float(alpha), int(seed)


def _train(plan: StudyPlan) -> Iterator[dict[str, Any]]:
    _make_photographs(plan)
    for start, alpha, seed in _settings():
        print(f"{start}, Dirichlet {alpha}, seed {seed}", flush=True)
        yield _result(plan, start, alpha, seed)


def _kept(plan: StudyPlan) -> Iterator[dict[str, Any]]:
    for start, alpha, seed in _settings():
        kept = kept_result(plan.run(start, alpha, seed), plan.folder / "results")
        if kept is not None:
            yield kept


def _result(plan: StudyPlan, start: str, alpha: float, seed: int) -> dict[str, Any]:
    """A run's result, its pre-training and its stores made before where they are missing."""
    study_run = plan.run(start, alpha, seed)
    results_dir = plan.folder / "results"
    if kept_result(study_run, results_dir) is None:
        _make_stores(plan, start, alpha, seed)
        pretraining = plan.pretraining(start)
        if pretraining is not None:
            study_result(pretraining, results_dir)
            write_backbone(pathlib.Path(pretraining.config.output_dir))
    return study_result(study_run, results_dir)


def _make_photographs(plan: StudyPlan) -> None:
    photographs = plan.folder / "photographs"
    if _GROCERY_DIR.value is None:
        raise ConfigurationError(
            "--grocery_dir must name the folder `dataset` of the Grocery Store Dataset, found "
            "nothing; clone github.com/marcusklasson/GroceryStoreDataset and set it"
        )
    write_grocery_folders(pathlib.Path(_GROCERY_DIR.value), photographs)
    write_halves(photographs / "train", plan.folder / "halves")
    if "synthetic" in _STARTS.value:
        from datasets.synthetic_shelf import write_synthetic_stores

        write_synthetic_stores(
            plan.folder / "shelf",
            num_stores=_SHELF_STORES,
            num_labels=_SHELF_LABELS,
            images_per_store=_SHELF_IMAGES_PER_STORE,
            image_size=64,
            alpha=10.0,
            seed=1,
        )


def _make_stores(plan: StudyPlan, start: str, alpha: float, seed: int) -> None:
    from datasets.label_folders import open_label_folders
    from datasets.partitioned_stores import write_partitioned_stores

    write_partitioned_stores(
        open_label_folders(str(plan.label_folders(start))),
        plan.chain_dir(start, alpha, seed),
        method="dirichlet",
        num_stores=plan.num_stores,
        alpha=alpha,
        seed=seed,
    )


def _report(plan: StudyPlan, results: list[dict[str, Any]]) -> None:
    from benchmarks.marked_section import write_marked_section
    from benchmarks.real_photographs_pictures import draw_study
    from benchmarks.real_photographs_table import study_rows, study_table

    docs = pathlib.Path(_DOCS_DIR.value)
    rows = study_rows(results)
    machine = describe_machine()
    write_json(plan.folder / "results.json", {"machine": machine, "rows": rows, "results": results})
    table = study_table(rows, results)
    print(table)
    write_marked_section(docs / "results.md", "real photographs", table)
    draw_study(plan, results, docs)


if __name__ == "__main__":
    run_main(main)
