"""The grid of photographs: names, scores, and errors in red with the truth."""

import pathlib
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from datasets import label_font
from tff_retail.program import predictions_picture
from tff_retail.program.predictions_picture import write_predictions

NAMES = ("apple", "苹果", "5$ or $6")


@pytest.fixture
def only_default_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_font, "_readable_fonts", lambda: iter(()))


def _write(png: pathlib.Path, labels: list[int], predicted: list[int]) -> None:
    write_predictions(
        png,
        images=np.full((len(labels), 32, 32, 3), 128, np.uint8),
        labels=np.array(labels, np.int32),
        predicted=np.array(predicted),
        scores=np.linspace(0.5, 1.0, len(labels), dtype=np.float32),
        label_names=NAMES,
    )


def test_right_in_green_wrong_in_red_with_the_truth(
    tmp_path: pathlib.Path, only_default_font: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(
        predictions_picture, "save_png", lambda figure, path: figures.append(figure)
    )
    _write(tmp_path / "predictions.png", labels=[0, 1, 2], predicted=[0, 0, 1])
    texts = [text for axes in figures[0].axes for text in axes.texts]
    assert [(text.get_text(), to_hex(text.get_color())) for text in texts] == [
        ("apple\n50 %", "#1b5e20"),
        ("apple\n75 %; it is\n#1", "#c62828"),
        ("#1\n100 %; it is\n5\\$ or \\$6", "#c62828"),
    ]
    assert [text.get_text() for text in figures[0].texts] == [
        "#n: label n, from 0; no installed font has its characters"
    ]


@pytest.mark.parametrize(("count", "shape"), [(0, 1), (1, 1), (7, 2), (24, 4), (200, 4)])
def test_as_many_rows_as_needed_and_no_warning(
    tmp_path: pathlib.Path, only_default_font: None, count: int, shape: int
) -> None:
    png = tmp_path / "predictions.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _write(png, labels=[0] * count, predicted=[index % 3 for index in range(count)])
    rows = round((imread(png).shape[0] / 120 - 0.1) / 2.2)
    assert rows == shape
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.png"]
