"""The confusion matrix as a picture, from two labels to thousands."""

import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from datasets.label_font import displayable_labels
from tff_retail.program.model_evaluation import ModelEvaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_DPI = 100
# Inches a label gets: 0.6 at most, less from 15 labels on, and at least 0.1, a line of small
# letters. Above 600 labels the picture would pass 6,000 pixels, which viewers may not open.
_LARGEST_CELL, _WANTED_SIDE, _SMALLEST_CELL = 0.6, 9.0, 0.1
_MAX_NAMED_LABELS = 600
# Room for a title over two labels; and a matrix without names, which fits a screen.
_LEAST_SIDE, _SIDE_WITHOUT_NAMES = 3.5, 10.0
# Numbers in the cells, as long as they fit.
_MAX_COUNTED_LABELS = 25
_POINTS_PER_INCH = 72


def write_confusion_picture(evaluation: ModelEvaluation, path: pathlib.Path) -> None:
    """Draws the matrix as PNG: a row for each label, its photographs as shares of the row.

    Label names that no font on this machine can show are replaced by `#` and their number;
    above 600 labels there are numbers only, and one
    cell may stand for several labels: it shows the largest share among them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    num_labels = len(evaluation.labels)
    side = _side_inches(num_labels)
    figure = Figure(figsize=(side, side), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    image = _draw_cells(axes, evaluation.confusion, side)
    _draw_names(axes, evaluation.labels, side)
    if num_labels <= _MAX_COUNTED_LABELS:
        _draw_counts(axes, evaluation.confusion)
    # Grows with the picture, so that it can be read when the whole of it fills a screen.
    size = max(12.0, side)
    axes.set_xlabel("taken for", fontsize=size)
    axes.set_ylabel("label", fontsize=size)
    axes.set_title(
        f"accuracy {evaluation.accuracy:.1%} on {evaluation.num_examples} photographs",
        fontsize=size,
    )
    _draw_scale(figure, image, side)
    partial = path.with_name(f".{path.name}.partial")
    # The axes fill the figure; `tight` widens the picture by what the names need.
    figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.2)
    os.replace(partial, path)


def _side_inches(num_labels: int) -> float:
    if num_labels > _MAX_NAMED_LABELS:
        return _SIDE_WITHOUT_NAMES
    cell = min(_LARGEST_CELL, max(_SMALLEST_CELL, _WANTED_SIDE / num_labels))
    return max(_LEAST_SIDE, cell * num_labels)


def _draw_cells(axes: "Axes", confusion: np.ndarray, side: float) -> "AxesImage":
    from matplotlib.colors import PowerNorm

    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    num_labels = len(shares)
    # Square root, so that a mistake of 1 % can be seen beside a diagonal of 100 %.
    return axes.imshow(
        _at_most(shares, int(side * _DPI)),
        cmap="Blues",
        norm=PowerNorm(0.5, vmin=0, vmax=1),
        interpolation="nearest",
        extent=(-0.5, num_labels - 0.5, num_labels - 0.5, -0.5),
    )


def _draw_scale(figure: "Figure", image: "AxesImage", side: float) -> None:
    left, width = 1 + 0.2 / side, max(0.15 / side, 0.01)
    bar = figure.colorbar(
        image, cax=figure.add_axes((left, 0, width, min(1.0, max(5 / side, 0.3))))
    )
    bar.set_label("share of the label's photographs", fontsize=max(10.0, 0.8 * side))
    bar.ax.tick_params(labelsize=max(10.0, 0.6 * side))


def _at_most(shares: np.ndarray, side: int) -> np.ndarray:
    """Thousands of labels: the largest share of each block, so that no mistake disappears."""
    block = -(-len(shares) // side)
    if block == 1:
        return shares
    starts = np.arange(0, len(shares), block)
    return np.maximum.reduceat(np.maximum.reduceat(shares, starts, axis=0), starts, axis=1)


def _draw_names(axes: "Axes", labels: tuple[str, ...], side: float) -> None:
    if len(labels) > _MAX_NAMED_LABELS:
        return  # matplotlib's own ticks are the numbers
    names, font = displayable_labels(labels)
    size = min(10.0, 0.8 * _POINTS_PER_INCH * side / len(labels))
    ticks = range(len(labels))
    axes.set_xticks(ticks, names, rotation=90, fontproperties=font, fontsize=size)
    axes.set_yticks(ticks, names, fontproperties=font, fontsize=size)
    if len(labels) > _MAX_COUNTED_LABELS:
        # Names on all sides: from the middle of a large picture the nearest is far enough.
        axes.tick_params(labeltop=True, labelright=False, top=True)


def _draw_counts(axes: "Axes", confusion: np.ndarray) -> None:
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            colour = "white" if shares[row, column] > 0.3 else "black"
            size = 9 if count < 10_000 else 6
            axes.text(column, row, str(count), ha="center", va="center", color=colour, size=size)
