"""Stores × labels as a picture, from two labels to thousands of stores."""

import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from datasets.label_font import displayable_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches of a row or column: the wanted side shared out, within what can be read (a line of
# small letters) and what looks well. Above 600 names a side passes 6,000 pixels, which viewers
# may not open.
_DPI = 100
_WANTED_SIDE, _SMALLEST_CELL, _LARGEST_CELL = 9.0, 0.1, 0.6
_LEAST_SIDE, _MAX_NAMED, _SIDE_WITHOUT_NAMES = 3.0, 600, 12.0
# From here on the nearest edge is far from the middle, so names stand on both.
_MAX_NAMED_ONCE = 100
_MAX_CELLS_WITH_COUNTS = 600
_POINTS_PER_INCH = 72
_MAX_NAME_CHARACTERS = 32


def write_label_heat_map(
    path: pathlib.Path, counts: np.ndarray, stores: list[str], labels: list[str]
) -> None:
    """Draws how many photographs of each label each store has.

    A name that no font of this machine can show is replaced by `#` and its number. Where there
    are too many for names the axes bear numbers, and one cell may stand for several: it shows
    the largest among them.

    Args:
      path: the PNG file to write.
      counts: int [stores, labels].
      stores: names, by row.
      labels: names, by column.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = _side(len(stores)), _side(len(labels))
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_cells(figure, axes, counts)
    _draw_names(axes, labels, width, is_column=True)
    _draw_names(axes, stores, height, is_column=False)
    if counts.size <= _MAX_CELLS_WITH_COUNTS:
        _draw_counts(axes, counts)
    axes.set_title(
        f"Photographs of {len(labels)} labels in {len(stores)} stores (white: none)",
        fontsize=_text_size(height, width),
    )
    partial = path.with_name(f".{path.name}.partial")
    # The axes fill the figure; `tight` widens the picture by what the names need.
    figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.2)
    os.replace(partial, path)


def _side(number: int) -> float:
    if number > _MAX_NAMED:
        return _SIDE_WITHOUT_NAMES
    cell = min(_LARGEST_CELL, max(_SMALLEST_CELL, _WANTED_SIDE / number))
    return max(_LEAST_SIDE, number * cell)


def _draw_cells(figure: "Figure", axes: "Axes", counts: np.ndarray) -> None:
    from matplotlib.colors import LogNorm

    rows, columns = counts.shape
    cells = _at_most(_at_most(counts, _MAX_NAMED).T, _MAX_NAMED).T
    image = axes.imshow(
        np.ma.masked_equal(cells, 0),
        cmap="viridis_r",
        # A logarithm, so that one photograph shows beside a thousand.
        norm=LogNorm(1, max(2, int(counts.max()))),
        interpolation="nearest",
        aspect="auto",
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )
    width, height = figure.get_size_inches()
    scale = figure.add_axes(
        (1 + 0.25 / width, 0, 0.18 / width, min(1.0, max(2.0, height / 2) / height))
    )
    bar = figure.colorbar(image, cax=scale)
    most = max(2, int(counts.max()))
    bar.set_ticks([n for n in (1, 10, 100, 1000, 10_000) if n < most / 2] + [most], minor=False)
    bar.ax.yaxis.set_major_formatter("{x:,.0f}")
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=_text_size(height, width))
    bar.set_label("photographs", fontsize=_text_size(height, width))


def _text_size(height: float, width: float) -> float:
    """Grows with the picture, so that it can be read when the whole of it fills a screen."""
    return max(11.0, min(width, height))


def _at_most(rows: np.ndarray, number: int) -> np.ndarray:
    """Groups of neighbouring rows as their largest, once there are more than `number`."""
    group = -(-len(rows) // number)
    if group == 1:
        return rows
    return np.maximum.reduceat(rows, np.arange(0, len(rows), group), axis=0)


def _draw_names(axes: "Axes", names: list[str], side: float, *, is_column: bool) -> None:
    axis = axes.xaxis if is_column else axes.yaxis
    axis.set_label_text("label" if is_column else "store", fontsize=max(11.0, side / 2))
    if len(names) > _MAX_NAMED:
        return  # matplotlib's own ticks are the numbers
    texts, font = displayable_labels(names, max_characters=_MAX_NAME_CHARACTERS)
    if len(names) > _MAX_NAMED_ONCE and is_column:
        axes.tick_params(axis="x", top=True, labeltop=True)
    size = min(10.0, 0.75 * _POINTS_PER_INCH * side / len(names))
    axis.set_ticks(
        range(len(names)), texts, fontproperties=font, fontsize=size, rotation=90 * is_column
    )


def _draw_counts(axes: "Axes", counts: np.ndarray) -> None:
    dark = counts > np.sqrt(max(2, int(counts.max())))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if dark[row, column] else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=6)
