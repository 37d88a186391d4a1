"""Tests of datasets.shelf.drawing: a product stays inside its outline, whatever its pose."""

import numpy as np
import pytest

from datasets.shelf.catalogue import catalogue
from datasets.shelf.drawing import Pose, draw_product
from datasets.shelf.packaging import PACKAGINGS

_PRODUCTS = {product.packaging.name: product for product in catalogue(528)}


def _drawn(name: str, **pose) -> np.ndarray:
    picture = np.full((64, 64, 3), -1.0, np.float32)
    draw_product(picture, _PRODUCTS[name], Pose(**pose))
    return picture


@pytest.mark.parametrize("name", PACKAGINGS)
def test_a_product_covers_its_height_and_its_area(name):
    # At these widths some pixels lie just below an edge, and must not round up to beyond it.
    picture = _drawn(name, centre_x=32, centre_y=32, height=50)
    is_covered = (picture >= 0).all(axis=2)
    rows = np.flatnonzero(is_covered.any(axis=1))
    assert abs(len(rows) - 50) <= 1
    assert is_covered.sum() == pytest.approx(PACKAGINGS[name].area * 50**2, rel=0.05)


@pytest.mark.parametrize("name", PACKAGINGS)
def test_colours_stay_near_the_range_of_a_picture(name):
    picture = _drawn(name, centre_x=32, centre_y=32, height=50, light_x=1.0, angle=0.3)
    assert picture[picture >= 0].max() < 2 * 255
    assert np.isfinite(picture).all()


def test_what_lies_outside_the_picture_is_cut_off():
    for x, y in ((-10, 32), (74, 32), (32, -10), (32, 74), (-500, 500)):
        _drawn("box", centre_x=x, centre_y=y, height=60)
    assert (_drawn("box", centre_x=-500, centre_y=32, height=60) == -1).all()


def test_a_spin_moves_the_print_of_a_round_product_alone():
    def change(name: str) -> float:
        still, turned = (
            _drawn(name, centre_x=32, centre_y=32, height=50, spin=spin) for spin in (0.0, 0.3)
        )
        return float(np.abs(still - turned).max())

    assert change("can") > 50
    assert change("box") == 0
