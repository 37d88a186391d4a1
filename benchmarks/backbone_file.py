"""The backbone of a finished run as a weights file: a head trained on it starts from random."""

import os
import pathlib

import numpy as np

BACKBONE_FILE = "backbone.npz"


def write_backbone(run_dir: pathlib.Path) -> None:
    """Writes `<run_dir>/backbone.npz`: the best model's arrays but those of its head.

    A run directory as `--weights` gives its head, too, where the number of labels is the same: a
    network trained on would begin with what headquarters already knows of the products.

    Args:
      run_dir: of a finished run.
    """
    from tff_retail.learning.models.keras_model import HEAD_LAYER  # TensorFlow where it is needed

    with np.load(run_dir / "model" / "weights.npz", allow_pickle=False) as stored:
        names = [name for name in stored.files if HEAD_LAYER not in name.split("/")]
        arrays = {name: stored[name] for name in names}
    temporary = run_dir / f".{BACKBONE_FILE}.tmp"
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(temporary, run_dir / BACKBONE_FILE)
