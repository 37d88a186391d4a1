"""Whether an exported model still says what the Keras model says, and how fast it says it."""

import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]

# Share of images whose best label must be that of the Keras model. Chosen before measuring: the
# same arithmetic may break a tie otherwise (1 %), float16 keeps 11 bits of a weight (2 %), and
# int8 costs MobileNets 1-2 points of accuracy in Krishnamoorthi 2018, table 4
# (https://arxiv.org/abs/1806.08342), with a changed label on up to 10 % of the images.
AGREEMENT_BOUNDS = {
    "saved_model": 0.99,
    "tflite_float32": 0.99,
    "tflite_float16": 0.98,
    "tflite_int8": 0.90,
}
_NUM_TIMED_RUNS = 30
# The first runs allocate memory and, for a SavedModel, trace.
_NUM_WARM_UP_RUNS = 3


@dataclasses.dataclass(frozen=True)
class ExportCheck:
    """What came of comparing an export with the Keras model.

    Attributes:
      max_difference: largest absolute difference of a probability.
      agreement: share of the images with the same best label.
      agreement_bound: the least that is accepted.
      latency_ms: median of single images, in milliseconds.
    """

    max_difference: float
    agreement: float
    agreement_bound: float
    latency_ms: float

    @property
    def is_sound(self) -> bool:
        """Whether the export may be used in place of the model."""
        return self.agreement >= self.agreement_bound


def check_export(
    export_format: str, predict: Predict, *, images: np.ndarray, expected: np.ndarray
) -> ExportCheck:
    """Compares an export with the Keras model and times it.

    Args:
      export_format: key of `AGREEMENT_BOUNDS`.
      predict: the export, images uint8 [n, S, S, 3] → probabilities float32 [n, L].
      images: uint8 [n, S, S, 3].
      expected: the Keras model's probabilities, float32 [n, L].
    """
    found = predict(images)
    return ExportCheck(
        max_difference=float(np.max(np.abs(found - expected))),
        agreement=float(np.mean(found.argmax(axis=1) == expected.argmax(axis=1))),
        agreement_bound=AGREEMENT_BOUNDS[export_format],
        latency_ms=_median_latency_ms(predict, images[:1]),
    )


def _median_latency_ms(predict: Predict, image: np.ndarray) -> float:
    for _ in range(_NUM_WARM_UP_RUNS):
        predict(image)
    return statistics.median(_seconds(predict, image) * 1e3 for _ in range(_NUM_TIMED_RUNS))


def _seconds(predict: Predict, image: np.ndarray) -> float:
    start = time.perf_counter()
    predict(image)
    return time.perf_counter() - start
