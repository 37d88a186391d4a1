"""Loss and accuracy over rounds: what is drawn, and what is left out."""

import pathlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tff_retail.program import curves_picture
from tff_retail.program.curves_picture import write_curves

METRICS = (
    "round,train/loss,train/top_1,eval/loss,eval/top_1\n"
    "1,2.0,0.25,,\n"
    "2,nan,0.5,1.5,0.375\n"
    "3,1.0,0.75,,\n"
)


@pytest.fixture
def metrics_csv(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "metrics.csv"
    path.write_text(METRICS)
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(curves_picture, "save_png", lambda figure, path: figures.append(figure))
    return figures


def _lines(figure: Figure, axes: int) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (
            np.asarray(line.get_xdata()).tolist(),
            np.asarray(line.get_ydata()).tolist(),
        )
        for line in figure.axes[axes].get_lines()
    }


def test_rounds_without_a_number_are_left_out(
    metrics_csv: pathlib.Path, drawn: list[Figure]
) -> None:
    write_curves(metrics_csv, metrics_csv.with_suffix(".png"))
    assert _lines(drawn[0], 0) == {
        "training": ([1, 3], [2.0, 1.0]),
        "federated evaluation": ([2], [1.5]),
    }
    assert _lines(drawn[0], 1) == {
        "training": ([1, 2, 3], [0.25, 0.5, 0.75]),
        "federated evaluation": ([2], [0.375]),
    }


def test_baselines_are_level_lines(metrics_csv: pathlib.Path, drawn: list[Figure]) -> None:
    write_curves(
        metrics_csv,
        metrics_csv.with_suffix(".png"),
        central_accuracy=0.9,
        local_accuracy={"a": 0.25, "b": 0.5, "c": 0.375},
    )
    lines = _lines(drawn[0], 1)
    assert lines["trained centrally"][1] == [0.9, 0.9]
    assert lines["each store alone, and median"][1] == [0.375, 0.375]


def test_writes_a_picture_and_nothing_else(metrics_csv: pathlib.Path) -> None:
    png = metrics_csv.with_name("curves.png")
    write_curves(metrics_csv, png, central_accuracy=0.9, local_accuracy={"a": 0.5})
    assert imread(png).shape[:2] == (480, 1200)
    assert {path.name for path in png.parent.iterdir()} == {"metrics.csv", "curves.png"}


@pytest.mark.parametrize("text", ["round\n", "round,train/loss\n1,nan\n"])
def test_nothing_to_draw_says_so(tmp_path: pathlib.Path, drawn: list[Figure], text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    write_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    texts = [text.get_text() for axes in drawn[0].axes for text in axes.texts]
    assert texts == ["no numbers yet"] * 2
