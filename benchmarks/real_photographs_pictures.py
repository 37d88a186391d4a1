"""The study as pictures: curves, what each store gains, and what is taken for what."""

import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.real_photographs_plan import StudyPlan
from benchmarks.real_photographs_table import START_NAMES
from tff_retail.program.png_file import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tff_retail.program.model_evaluation import ModelEvaluation

_FEDERATED, _CENTRAL, _ALONE, _OWN = "#0b4f9e", "#2e7d32", "#b35c00", "#8fb3d9"

Result = Mapping[str, Any]


def draw_study(plan: StudyPlan, results: Sequence[Result], docs: pathlib.Path) -> None:
    """Writes `real_photographs_{curves,stores,confusion}.png` into `docs`.

    Stores and confusion are of the first run whose stores were also trained alone; without such a
    run there are only curves.
    """
    from tff_retail.program.confusion_picture import write_confusion_picture

    draw_curves(results, docs / "real_photographs_curves.png")
    shown = next((result for result in results if result["alone"]), None)
    if shown is None:
        return
    evaluation = _evaluate(plan, shown)
    write_confusion_picture(evaluation, docs / "real_photographs_confusion.png")
    draw_stores(
        shown,
        _label_counts(plan, shown),
        evaluation.confusion,
        docs / "real_photographs_stores.png",
    )


def draw_curves(results: Sequence[Result], png: pathlib.Path) -> None:
    """Top-1 over epochs, a panel for each (start, alpha) that there is, a line for each seed."""
    from matplotlib.figure import Figure

    starts = list(dict.fromkeys(result["start"] for result in results))
    alphas = list(dict.fromkeys(result["alpha"] for result in results))
    there = {(result["start"], result["alpha"]) for result in results}
    size = (4.2 * len(starts), 3.2 * len(alphas))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(alphas), len(starts), squeeze=False, sharey=True)
    for row, alpha in zip(panels, alphas, strict=True):
        for axes, start in zip(row, starts, strict=True):
            axes.set_visible((start, alpha) in there)
            _draw_panel(axes, results, start, alpha)
            axes.set_title(f"{START_NAMES[start]};\nDirichlet {alpha:g}", fontsize=9)
            axes.set_xlabel("epochs over the photographs")
    for row in panels:
        row[0].set_ylabel("top-1 on the validation photographs")
    handles = dict(zip(*panels[0][0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(
        handles.values(), handles.keys(), frameon=False, ncols=3, loc="outside lower center"
    )
    # The panels share this axis; each alone would end it where its own lines do.
    panels[0][0].set_ylim(0, 1.05 * max(map(_highest, results)))
    save_png(figure, png)


def draw_stores(
    result: Result,
    label_counts: Mapping[str, Mapping[str, int]],
    confusion: np.ndarray,
    png: pathlib.Path,
) -> None:
    """Each store alone beside the federated model, on all products and on the store's own mix.

    Args:
      result: of one run.
      label_counts: photographs of each label, by store.
      confusion: of the federated model, [L, L] as `ModelEvaluation.confusion`.
      png: the picture's file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    names = sorted(result["alone"], key=lambda name: sum(label_counts[name].values()))
    own = [own_mix_accuracy(label_counts[name], confusion, result["labels"]) for name in names]
    positions = np.arange(len(names))
    alone = [result["alone"][name]["top_1"] for name in names]
    axes.bar(positions - 0.2, alone, 0.4, color=_ALONE, label="trained alone, all products")
    axes.bar(positions + 0.2, own, 0.4, color=_OWN, label="federated, the store's own mix")
    # Of different lengths of dash, so that both are seen where they lie on each other.
    for kind, colour, dashes in (
        ("federated", _FEDERATED, "-"),
        ("central", _CENTRAL, (0, (3, 3))),
    ):
        if result[kind] is not None:
            label = f"{kind}, all products"
            axes.axhline(result[kind]["top_1"], color=colour, linestyle=dashes, label=label)
    sizes = [f"{name}\n{sum(label_counts[name].values())}" for name in names]
    axes.set_xticks(positions, sizes, fontsize=8)
    axes.set_xlabel("store, and its photographs to train on")
    axes.set_title(
        f"{START_NAMES[result['start']]}; Dirichlet {result['alpha']:g}, seed {result['seed']}",
        fontsize=10,
    )
    _frame(axes)
    axes.set_ylim(0, 1.35 * max([*alone, *own, result["federated"]["top_1"]]))
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper left")
    save_png(figure, png)


def own_mix_accuracy(
    counts: Mapping[str, int], confusion: np.ndarray, labels: Sequence[str]
) -> float:
    """Accuracy where products come as often as in a store's photographs.

    Labels without a validation photograph are left out of the mix.
    """
    support = confusion.sum(axis=1)
    weights = np.array([counts.get(label, 0) for label in labels], float) * (support > 0)
    recall = np.diag(confusion) / np.maximum(support, 1)
    return float(weights @ recall / max(weights.sum(), 1.0))


def _highest(result: Result) -> float:
    trained = [result["federated"], *filter(None, [result["central"]]), *result["alone"].values()]
    return max(top_1 for one in trained for _, top_1 in one["curve"])


def _draw_panel(axes: "Axes", results: Sequence[Result], start: str, alpha: float) -> None:
    for result in results:
        if result["start"] != start:
            continue
        epochs = result["local_epochs"]
        if result["central"] is not None:
            _line(axes, result["central"], epochs, _CENTRAL, "central")
        if result["alpha"] == alpha:
            for store in result["alone"].values():
                _line(axes, store, epochs, _ALONE, "one store alone", linewidth=0.4)
            _line(axes, result["federated"], epochs, _FEDERATED, "federated")
    axes.set_xlim(left=0)
    _frame(axes)


def _line(
    axes: "Axes",
    trained: Mapping[str, Any],
    local_epochs: int,
    colour: str,
    label: str,
    linewidth: float = 1.4,
) -> None:
    rounds, top_1 = zip(*trained["curve"], strict=True)
    epochs = [local_epochs * round_num for round_num in rounds]
    axes.plot(epochs, top_1, color=colour, label=label, linewidth=linewidth, alpha=0.8)


def _frame(axes: "Axes") -> None:
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _label_counts(plan: StudyPlan, result: Result) -> dict[str, Counter[str]]:
    chain = plan.chain_dir(result["start"], result["alpha"], result["seed"])
    return {
        store: Counter(path.parent.name for path in (chain / store).glob("*/*"))
        for store in result["alone"]
    }


def _evaluate(plan: StudyPlan, result: Result) -> "ModelEvaluation":
    """The run's last model on the photographs that it was measured on."""
    from datasets.evaluation_set import open_evaluation_set
    from tff_retail.program.model_evaluation import evaluate_model
    from tff_retail.program.released_model import load_released_model

    study_run = plan.run(result["start"], result["alpha"], result["seed"])
    model = load_released_model(pathlib.Path(study_run.config.output_dir) / "model_last")
    photographs = open_evaluation_set(str(plan.validation_dir), model.labels, model.image_size)
    examples = photographs.load("validation")
    batch = (np.asarray(examples.features), examples.labels)
    return evaluate_model(model, [batch], labels=model.labels)
