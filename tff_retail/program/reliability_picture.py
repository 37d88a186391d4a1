"""How often the model is right when it is so sure: the reliability diagram.

Guo et al. 2017, "On Calibration of Modern Neural Networks", figure 1
(https://arxiv.org/abs/1706.04599).
"""

import pathlib
from typing import TYPE_CHECKING

from tff_retail.learning.confidence_histogram import (
    NUM_RELIABILITY_BINS,
    ConfidenceHistogram,
    ReliabilityBin,
)
from tff_retail.program.png_file import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Those of the curves, and the red of what is wrong.
_ACCURACY, _COUNTS, _GAP, _THRESHOLD = "#0b4f9e", "#8fb3d9", "#c62828", "#b35c00"
# A bin's bar leaves a line of white to the next.
_WIDTH = 0.92 / NUM_RELIABILITY_BINS


def write_reliability(
    histogram: ConfidenceHistogram, png: pathlib.Path, *, unknown_threshold: float | None
) -> None:
    """Draws accuracy against confidence in 15 bins, and below how many photographs are in each.

    Args:
      histogram: of the photographs.
      png: the picture's file, written whole or not at all.
      unknown_threshold: marked where there is one above 0.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = [found for found in histogram.reliability() if found.num_examples]
    _draw_accuracy(above, bins)
    total = sum(found.num_examples for found in bins)
    below.bar(
        [_middle(found) for found in bins],
        [found.num_examples / total for found in bins],
        width=_WIDTH,
        color=_COUNTS,
    )
    for axes in (above, below):
        if unknown_threshold:
            axes.axvline(
                unknown_threshold,
                color=_THRESHOLD,
                linestyle="--",
                label=f"unknown product below {unknown_threshold:.1%}",
            )
        axes.grid(color="#e6e6e6")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter("{x:.0%}")
    below.set(xlim=(0, 1), xlabel="probability of the best label", ylabel="photographs")
    below.xaxis.set_major_formatter("{x:.0%}")
    # Below both: a model may fill the whole of the upper one.
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    error = histogram.expected_calibration_error
    of = f"{total} photograph{'' if total == 1 else 's'}"
    above.set_title(of if error is None else f"calibration error (ECE) {error:.1%} on {of}")
    save_png(figure, png)


def _draw_accuracy(axes: "Axes", bins: list[ReliabilityBin]) -> None:
    """A bar for the accuracy, and what lacks or exceeds up to the confidence, hatched."""
    middles = [_middle(found) for found in bins]
    accuracy = [found.accuracy or 0.0 for found in bins]
    confidence = [found.confidence or 0.0 for found in bins]
    axes.bar(middles, accuracy, width=_WIDTH, color=_ACCURACY, label="right")
    axes.bar(
        middles,
        [sure - right for sure, right in zip(confidence, accuracy, strict=True)],
        bottom=accuracy,
        width=_WIDTH,
        facecolor="none",
        edgecolor=_GAP,
        hatch="////",
        linewidth=0.8,
        label="gap to the confidence",
    )
    axes.plot([0, 1], [0, 1], color="#555555", linewidth=1, zorder=3, label="well calibrated")
    axes.set(ylim=(0, 1.02), ylabel="share that is right")


def _middle(found: ReliabilityBin) -> float:
    return (found.low + found.high) / 2
