"""Loss and accuracy over the rounds, as a picture of metrics.csv."""

import csv
import math
import pathlib
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tff_retail.program.png_file import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAINING: Mapping[str, Any] = {"color": "#8fb3d9", "label": "training"}
_EVALUATION: Mapping[str, Any] = {"color": "#0b4f9e", "label": "federated evaluation"}
_CENTRAL: Mapping[str, Any] = {"color": "#2e7d32", "linestyle": "--"}
_LOCAL: Mapping[str, Any] = {"color": "#b35c00", "linestyle": ":"}
# More rounds than this make points that overlap.
_MAX_ROUNDS_WITH_POINTS = 40


def write_curves(
    metrics_csv: pathlib.Path,
    png: pathlib.Path,
    *,
    central_accuracy: float | None = None,
    local_accuracy: Mapping[str, float] | None = None,
) -> None:
    """Draws the columns `train/loss`, `train/top_1`, `eval/loss`, `eval/top_1` against `round`.

    A column that is missing, and a round without a number in it, is left out.

    Args:
      metrics_csv: what `MetricFiles` wrote.
      png: the picture's file, written whole or not at all.
      central_accuracy: top-1 in [0, 1] of the same model trained on the pooled photographs.
      local_accuracy: top-1 in [0, 1] of the same model trained on each store alone, by store.
    """
    from matplotlib.figure import Figure

    with metrics_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axes, metric in ((loss, "loss"), (accuracy, "top_1")):
        _plot(axes, rows, f"train/{metric}", _TRAINING)
        _plot(axes, rows, f"eval/{metric}", _EVALUATION)
        _frame(axes)
    _plot_baselines(accuracy, central_accuracy, local_accuracy or {})
    loss.set_title("Loss (cross-entropy)")
    accuracy.set_title("Top-1 accuracy")
    accuracy.set_ylim(0, 1)
    accuracy.yaxis.set_major_formatter("{x:.0%}")
    for axes in (loss, accuracy):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
        else:
            axes.text(0.5, 0.5, "no numbers yet", ha="center", transform=axes.transAxes)
    save_png(figure, png)


def _plot(axes: "Axes", rows: list[dict[str, str]], column: str, style: Mapping[str, Any]) -> None:
    points = [
        (int(row["round"]), float(row[column]))
        for row in rows
        if row.get(column) and math.isfinite(float(row[column]))
    ]
    if points:
        marker = "o" if len(points) <= _MAX_ROUNDS_WITH_POINTS else ""
        axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, **style)


def _frame(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_baselines(
    axes: "Axes", central_accuracy: float | None, local_accuracy: Mapping[str, float]
) -> None:
    if central_accuracy is not None:
        axes.axhline(central_accuracy, label="trained centrally", **_CENTRAL)
    if local_accuracy:
        lowest, highest = min(local_accuracy.values()), max(local_accuracy.values())
        label = "one store alone" if len(local_accuracy) == 1 else "each store alone, and median"
        axes.axhspan(lowest, highest, color=_LOCAL["color"], alpha=0.12, linewidth=0)
        axes.axhline(statistics.median(local_accuracy.values()), label=label, **_LOCAL)
