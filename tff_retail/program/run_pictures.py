"""The pictures of a run: its curves, how sure it is, and what it says of photographs."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from datasets.store_photographs import StorePhotographs
from tff_retail.program.curves_picture import write_curves
from tff_retail.program.model_release import ReleasedConfidence
from tff_retail.program.pooled_training import PooledExamples
from tff_retail.program.predictions_picture import write_predictions
from tff_retail.program.released_model import load_released_model
from tff_retail.program.reliability_picture import write_reliability

_PICTURED = 24


def draw_run(
    folder: pathlib.Path,
    measured_on: Sequence[StorePhotographs],
    *,
    label_names: Sequence[str],
    baselines: Mapping[str, Any],
    confidence: ReleasedConfidence,
    seed: int,
) -> None:
    """Writes `curves.png` and, as far as there are photographs, the other pictures.

    These are `reliability.png`, drawn from the stores' sums alone, and `predictions.png`.

    Args:
      folder: the run directory, with its metrics and models.
      measured_on: whose validation photographs are shown.
      label_names: of the chain.
      baselines: `central_accuracy` and `local_accuracy`, where they are known.
      confidence: of the released model.
      seed: chooses the photographs.
    """
    write_curves(
        folder / "metrics.csv",
        folder / "curves.png",
        central_accuracy=baselines.get("central_accuracy"),
        local_accuracy=baselines.get("local_accuracy"),
    )
    if confidence.histogram is not None and confidence.ece is not None:
        write_reliability(
            confidence.histogram,
            folder / "reliability.png",
            unknown_threshold=confidence.unknown_threshold,
        )
    if not measured_on:
        return
    pooled = PooledExamples([functools.partial(store.load, "validation") for store in measured_on])
    generator = np.random.default_rng(seed)
    size = min(_PICTURED, len(pooled))
    positions = np.sort(generator.choice(len(pooled), size=size, replace=False))
    images = pooled.take(positions)
    scores = load_released_model(folder).predict(images)
    write_predictions(
        folder / "predictions.png",
        images=images,
        labels=pooled.labels[positions],
        predicted=np.argmax(scores, axis=-1),
        scores=np.max(scores, axis=-1),
        label_names=label_names,
    )
