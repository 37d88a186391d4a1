"""Images a second of every contender as bars, and how fast tff_retail should be."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.row import Row, Series
from tff_retail.program.png_file import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS_COLOUR, _THEIR_COLOUR, _TARGET_COLOUR = "#0b4f9e", "#b8c7d9", "#b35c00"
_WIDTH_INCHES, _BAR_INCHES, _TITLE_INCHES = 9.0, 0.3, 0.85


def draw_speeds(rows: Sequence[Row], png: pathlib.Path) -> bool:
    """A panel for each row whose contenders were timed; False, and no file, where there is none.

    A bar is the median, its whisker the quartiles. A diamond beside a contender marks what
    tff_retail should reach against it: where all diamonds are left of the dotted line, the end of
    our own bar, all targets are met.
    """
    from matplotlib.figure import Figure

    shown = [row for row in rows if any(comparison.of for comparison in row.comparisons)]
    if not shown:
        return False
    heights = [_TITLE_INCHES + _BAR_INCHES * len(row.series) for row in shown]
    figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), layout="constrained")
    panels = figure.subplots(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, row in zip(panels, shown, strict=True):
        _draw_row(axes, row)
    legends = [axes.get_legend_handles_labels() for axes in panels]
    handles, labels = next((one for one in legends if one[0]), ([], []))
    figure.legend(handles, labels, loc="outside upper right", frameon=False)
    save_png(figure, png)
    return True


def _draw_row(axes: "Axes", row: Row) -> None:
    series = sorted(row.series, key=lambda one: one.median)
    positions = {one.name: position for position, one in enumerate(series)}
    for one in series:
        _draw_bar(axes, positions[one.name], one)
    ours = next((one for one in series if _is_ours(one)), None)
    if ours is not None:
        axes.axvline(ours.median, color=_OURS_COLOUR, linestyle=":", linewidth=1, zorder=0)
    points = [
        (comparison.at_least * series[positions[comparison.of]].median, positions[comparison.of])
        for comparison in row.comparisons
        if comparison.at_least is not None and comparison.of in positions
    ]
    if points:
        label = "tff_retail's target against it; dotted: what it reaches"
        axes.plot(
            *zip(*points, strict=True),
            linestyle="",
            marker="D",
            markersize=7,
            color=_TARGET_COLOUR,
            markeredgecolor="white",
            label=label,
        )
    axes.set_title(row.title, loc="left", fontsize=11)
    axes.set_yticks(list(positions.values()), list(positions))
    axes.set_xlim(0, max([one.quartiles[1] for one in series] + [x for x, _ in points]) * 1.12)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("images/s")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bar(axes: "Axes", position: int, series: Series) -> None:
    low, high = series.quartiles
    axes.barh(
        position,
        series.median,
        xerr=[[series.median - low], [high - series.median]],
        color=_OURS_COLOUR if _is_ours(series) else _THEIR_COLOUR,
        error_kw={"ecolor": "#555555", "elinewidth": 1},
    )
    axes.annotate(
        f"{series.median:,.0f}",
        (0, position),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color="white" if _is_ours(series) else "black",
    )


def _is_ours(series: Series) -> bool:
    return series.name.startswith("tff_retail")
