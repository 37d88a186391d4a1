"""Some photographs with what the model takes them for; where it errs, in red, what they are."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from datasets.label_font import displayable_labels
from tff_retail.program.png_file import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

_MAX_PHOTOGRAPHS = 24
_COLUMNS = 6
# Inches: a photograph's side, the gap between two, three lines of text under it, and the note.
# A name of so many characters fits a photograph's width in the font's size.
_SIDE, _GAP, _TEXT, _NOTE = 1.6, 0.1, 0.5, 0.25
_MAX_NAME_CHARACTERS = 24
_FONT_SIZE = 8
_RIGHT, _WRONG = "#1b5e20", "#c62828"


def write_predictions(
    png: pathlib.Path,
    *,
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray,
    label_names: Sequence[str],
) -> None:
    """Draws a grid of the first 24 photographs, or of all where there are fewer.

    Args:
      png: the picture's file, written whole or not at all.
      images: uint8 [n, height, width, 3], RGB.
      labels: int [n], the true labels' positions in `label_names`.
      predicted: int [n], the model's.
      scores: float [n] in [0, 1], of the predicted label.
      label_names: a name with characters that no installed font has is shown as its number.
    """
    names, font = displayable_labels(label_names, max_characters=_MAX_NAME_CHARACTERS)
    count = min(len(images), _MAX_PHOTOGRAPHS)
    shown = {int(index) for index in (*labels[:count], *predicted[:count])}
    figure, cells = _grid(count, has_note=any(names[index] == f"#{index}" for index in shown))
    for index, axes in enumerate(cells):
        # Small photographs are enlarged here: smoothed they are easier to recognise.
        axes.imshow(images[index], interpolation="bicubic", aspect="auto")
        _name(
            axes,
            names[int(predicted[index])],
            float(scores[index]),
            None if predicted[index] == labels[index] else names[int(labels[index])],
            font,
        )
    save_png(figure, png)


def _grid(count: int, *, has_note: bool) -> "tuple[Figure, list[Axes]]":
    """A figure with `count` square cells, each with room for its text below."""
    from matplotlib.figure import Figure

    columns = min(max(count, 1), _COLUMNS)
    rows = max(-(-count // columns), 1)
    width = columns * (_SIDE + _GAP) + _GAP
    height = rows * (_SIDE + _TEXT + _GAP) + _GAP + _NOTE * has_note
    figure = Figure(figsize=(width, height))
    if has_note:
        note = "#n: label n, from 0; no installed font has its characters"
        figure.text(_GAP / width, _GAP / height, note, color="#555555", fontsize=_FONT_SIZE - 2)
    cells = []
    for index in range(count):
        row, column = divmod(index, columns)
        left = _GAP + column * (_SIDE + _GAP)
        top = _GAP + row * (_SIDE + _TEXT + _GAP)
        cells.append(
            figure.add_axes(
                (left / width, 1 - (top + _SIDE) / height, _SIDE / width, _SIDE / height)
            )
        )
        cells[-1].set_axis_off()
    return figure, cells


def _name(
    axes: "Axes", predicted: str, score: float, truth: str | None, font: "FontProperties | None"
) -> None:
    """Writes the prediction under the photograph, and the truth where it is another."""
    text = f"{predicted}\n{100 * score:.0f} %"
    if truth is not None:
        text += f"; it is\n{truth}"
    axes.text(
        0.5,
        -0.04,
        text,
        transform=axes.transAxes,
        ha="center",
        va="top",
        color=_RIGHT if truth is None else _WRONG,
        fontproperties=font,
        fontsize=_FONT_SIZE,
    )
