"""The reliability diagram: bars where there are photographs, and nothing to warn of."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from tff_retail.learning.confidence_histogram import count_confidence
from tff_retail.program import reliability_picture
from tff_retail.program.reliability_picture import write_reliability


def _histogram(confidence, is_right):
    return count_confidence(np.array(confidence, np.float32), np.array(is_right, bool))


def test_bars_are_accuracy_and_what_is_missing_to_the_confidence(tmp_path, monkeypatch):
    figures: list[Figure] = []
    monkeypatch.setattr(
        reliability_picture, "save_png", lambda figure, path: figures.append(figure)
    )
    histogram = _histogram([0.9, 0.9, 0.1, 0.1], [True, False, True, True])
    write_reliability(histogram, tmp_path / "a.png", unknown_threshold=0.25)
    above, below = figures[0].axes
    accuracy, gaps = above.containers
    assert [bar.get_height() for bar in accuracy] == [1.0, 0.5]
    assert [bar.get_height() for bar in gaps] == pytest.approx([-0.9, 0.4], abs=1e-3)
    assert [bar.get_height() for bar in below.containers[0]] == [0.5, 0.5]
    assert above.get_title() == "calibration error (ECE) 65.0% on 4 photographs"
    assert "unknown product below 25.0%" in above.get_legend_handles_labels()[1]


@pytest.mark.parametrize("threshold", [None, 0.0, 0.999])
@pytest.mark.parametrize("num_photographs", [0, 1, 500])
def test_any_number_of_photographs_without_a_warning(tmp_path, num_photographs, threshold):
    confidence = np.linspace(0, 1, num_photographs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_reliability(
            _histogram(confidence, confidence > 0.5),
            tmp_path / "a.png",
            unknown_threshold=threshold,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
