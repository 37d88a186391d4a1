"""Tiny photographs of one colour, which no two tests share."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

WritePhoto = Callable[..., pathlib.Path]


@pytest.fixture
def write_photo() -> WritePhoto:
    """Writes a PNG of one colour at a path, making its folders."""

    def write(path: pathlib.Path, colour: int | tuple[int, int, int] = 0, size: int = 6):
        path.parent.mkdir(parents=True, exist_ok=True)
        red, green, blue = colour if isinstance(colour, tuple) else (colour, 0, 0)
        pixels = np.full((size, size, 3), (red, green, blue), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
        return path

    return write
