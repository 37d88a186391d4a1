import warnings

import numpy as np
import pytest
from PIL import Image

from tff_retail.program.confusion_picture import write_confusion_picture
from tff_retail.program.model_evaluation import ModelEvaluation


class _SameTitle(ModelEvaluation):
    accuracy = 0.5
    num_examples = 7


def _evaluation(labels, confusion):
    return _SameTitle(tuple(labels), confusion, 0, 0.1, {})


def test_any_label_name_is_drawn_without_a_warning(tmp_path):
    labels = ["苹果", "x" * 200, "5$ and $6", "\U0001f34e", "_hidden", "a\nb"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_confusion_picture(_evaluation(labels, np.eye(6, dtype=int)), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("num_labels", [2, 60, 601, 2000])
def test_one_mistake_can_be_seen_and_the_picture_fits_a_viewer(tmp_path, num_labels):
    labels = [f"product {number}" for number in range(num_labels)]
    confusion = 100 * np.eye(num_labels, dtype=int)
    pixels = []
    for mistakes in (0, 1):
        confusion[num_labels * 3 // 4, num_labels // 4] = mistakes
        # The same title for both, so that nothing but the cell can differ.
        evaluation = _evaluation(labels, confusion)
        write_confusion_picture(evaluation, tmp_path / "a.png")
        pixels.append(np.asarray(Image.open(tmp_path / "a.png").convert("L")).astype(int))
    assert 300 < min(pixels[0].shape) and max(pixels[0].shape) < 6500
    changed = np.argwhere(np.abs(pixels[1] - pixels[0]) > 4)
    assert len(changed) >= 1
    # Within the matrix: below the diagonal.
    row, column = changed.mean(axis=0) / pixels[0].shape
    assert row > 0.5 and column < 0.5
