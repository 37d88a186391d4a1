"""A chain of store folders whose photographs are noise: made in no time, and no two alike."""

import pathlib

import numpy as np
from PIL import Image


def write_noise_chain(
    folder: pathlib.Path,
    *,
    num_stores: int,
    photographs_per_store: int,
    image_size: int,
    num_labels: int = 3,
    seed: int = 0,
) -> pathlib.Path:
    """Writes `<folder>/<store>/<label>/<number>.png`, the labels in turn; returns `folder`."""
    generator = np.random.default_rng(seed)
    for store in range(num_stores):
        labels = [folder / f"store {store:05}" / f"label {label}" for label in range(num_labels)]
        for label in labels:
            label.mkdir(parents=True)
        shape = (photographs_per_store, image_size, image_size, 3)
        for number, pixels in enumerate(generator.integers(0, 256, shape, np.uint8)):
            # Noise does not shrink: trying would only cost time.
            path = labels[number % num_labels] / f"{number}.png"
            Image.fromarray(pixels).save(path, compress_level=0)
    return folder
