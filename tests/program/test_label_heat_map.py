import warnings

import numpy as np
import pytest
from PIL import Image

from tff_retail.program.label_heat_map import write_label_heat_map


def _draw(path, counts, stores=None, labels=None):
    stores = stores or [f"store {n}" for n in range(len(counts))]
    labels = labels or [f"label {n}" for n in range(len(counts[0]))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_label_heat_map(path, np.array(counts), stores, labels)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_zero_is_white_and_more_is_darker(tmp_path):
    pixels = _draw(tmp_path / "a.png", [[0, 1], [10, 100]])
    # Cells are the largest one-coloured areas: yellow for one, dark purple for the most.
    colours, areas = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    largest = {tuple(int(v) for v in colours[i]) for i in np.argsort(-areas)[:4]}
    brightness = sorted(sum(colour) for colour in largest)
    assert (255, 255, 255) in largest
    assert brightness[0] < 200 < brightness[-2] < 765


def test_names_that_no_font_has_and_very_long_ones(tmp_path):
    labels = ["苹果", "x" * 200, "5$ deal $2", "🍏", "", "_a^b", "line\nbreak"]
    _draw(tmp_path / "a.png", [[1] * 7] * 2, ["超市", "$"], labels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("stores", "labels"), [(1, 2), (200, 20), (3, 700), (1500, 2)])
def test_from_one_store_to_many_it_stays_a_picture_viewers_open(tmp_path, stores, labels):
    counts = np.zeros((stores, labels), int)
    counts[-1, -1] = 7
    pixels = _draw(tmp_path / "a.png", counts)
    assert max(pixels.shape) < 7000
    assert min(pixels.shape[:2]) > 100
    # The only cell is not lost where many share a pixel.
    assert (pixels.astype(int).max(axis=2) - pixels.min(axis=2) > 60).any()
