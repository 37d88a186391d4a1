"""Photographs to calibrate an export on, and others to check it with."""

import itertools
import os
import pathlib

import numpy as np

from datasets.image_decoding import (
    UnreadablePhotograph,
    decode_content,
    decode_photograph,
)
from datasets.shelf.catalogue import catalogue
from datasets.shelf.photograph import StoreCamera
from datasets.shelf.store_look import store_look
from tff_retail.config import ConfigurationError
from tff_retail.program.photograph_search import find_photographs

# TensorFlow's guide to post-training quantisation asks for about 100 to 500 samples.
_NUM_PHOTOGRAPHS = 200
# Any number: the same photographs each time, so that equal models give equal exports.
_SEED = 1
# Synthetic photographs are drawn at this size (5 ms each) and then resized as any other.
_SYNTHETIC_SIZE_PX = 96
_NUM_SYNTHETIC_STORES = 4


def load_export_images(
    image_size: int, photographs_dir: pathlib.Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, S, S, 3] to calibrate on, and images uint8 [m, S, S, 3] to check with.

    Args:
      image_size: S, in pixels.
      photographs_dir: folder of photographs that headquarters owns; None for synthetic ones. At
        most 200 are taken, in an order drawn from a fixed seed; every second one is for checking.

    Raises:
      ConfigurationError: the folder holds fewer than two readable photographs.
    """
    if photographs_dir is None:
        images = _synthetic_images(image_size)
    else:
        images = _photographs(photographs_dir, image_size)
    return images[0::2], images[1::2]


def _photographs(folder: pathlib.Path, image_size: int) -> np.ndarray:
    paths = find_photographs([os.fspath(folder)])
    order = np.random.default_rng(_SEED).permutation(len(paths))
    decoded = (_decoded(paths[index], image_size) for index in order)
    readable = (image for image in decoded if image is not None)
    images = list(itertools.islice(readable, _NUM_PHOTOGRAPHS))
    if len(images) < 2:
        raise ConfigurationError(
            "--calibration_dir must hold at least 2 readable photographs, found "
            f"{len(images)} in {str(folder)!r}; leave it out to calibrate on synthetic ones"
        )
    return np.stack(images)


def _decoded(path: str, image_size: int) -> np.ndarray | None:
    try:
        return decode_photograph(path, image_size)
    except UnreadablePhotograph:
        return None


def _synthetic_images(image_size: int) -> np.ndarray:
    rng = np.random.default_rng(_SEED)
    products = catalogue(_NUM_PHOTOGRAPHS)
    cameras = [
        StoreCamera(store_look(store, rng), image_size=_SYNTHETIC_SIZE_PX, rng=rng)
        for store in range(_NUM_SYNTHETIC_STORES)
    ]
    return np.stack(
        [
            decode_content(camera.photograph(product, rng), image_size)
            for product, camera in zip(products, itertools.cycle(cameras), strict=False)
        ]
    )
