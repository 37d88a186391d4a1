"""How sure a model is and how often it is right then: counts by the winning label's probability.

Nothing but counts, so that stores can sum them in any order and securely. From them headquarters
tells the expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural Networks",
section 2, https://arxiv.org/abs/1706.04599) and chooses the probability below which a product
is called unknown (the baseline of Hendrycks & Gimpel 2017, https://arxiv.org/abs/1610.02136).
"""

import dataclasses

import numpy as np

# Guo et al. use 15 bins of equal width; a hundredth of each is fine enough for a threshold (its
# step is 0.07 points), and lets the middle of a bin stand for its photographs' probability: the
# calibration error is off by 0.04 points at most.
NUM_RELIABILITY_BINS = 15
NUM_BINS = 100 * NUM_RELIABILITY_BINS


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Photographs of which the winning probability lies in [low, high); the last has high too.

    Attributes:
      low, high: the bin's edges.
      num_examples: photographs in it; of an empty bin the two means are None.
      confidence: mean winning probability.
      accuracy: share that is right.
    """

    low: float
    high: float
    num_examples: int
    confidence: float | None
    accuracy: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class ConfidenceHistogram:
    """Photographs by the winning label's probability, in `NUM_BINS` bins of equal width.

    Attributes:
      num_examples: int64 [NUM_BINS].
      num_right: int64 [NUM_BINS], those of which the winning label is right.
    """

    num_examples: np.ndarray
    num_right: np.ndarray

    def __post_init__(self) -> None:
        shapes = np.shape(self.num_examples), np.shape(self.num_right)
        if shapes != ((NUM_BINS,), (NUM_BINS,)):
            raise ValueError(f"counts must be of {NUM_BINS} bins each, found shapes {shapes}")

    @property
    def expected_calibration_error(self) -> float | None:
        """Mean of |accuracy - confidence| over the bins, weighted by photographs; None of none."""
        total = int(self.num_examples.sum())
        if not total:
            return None
        gap = _in_reliability_bins(self.num_right - self.num_examples * _MIDDLES)
        return float(np.abs(gap).sum()) / total

    def reliability(self) -> list[ReliabilityBin]:
        """The 15 bins of the reliability diagram, the least sure first."""
        edges = np.arange(NUM_RELIABILITY_BINS + 1) / NUM_RELIABILITY_BINS
        num_examples = _in_reliability_bins(self.num_examples)
        confidence = _in_reliability_bins(self.num_examples * _MIDDLES)
        num_right = _in_reliability_bins(self.num_right)
        return [
            ReliabilityBin(
                low=float(edges[index]),
                high=float(edges[index + 1]),
                num_examples=int(count),
                confidence=float(confidence[index] / count) if count else None,
                accuracy=float(num_right[index] / count) if count else None,
            )
            for index, count in enumerate(num_examples)
        ]

    def unknown_threshold(self, unknown_share: float) -> float | None:
        """The highest probability that calls at most so many of the right photographs unknown.

        Args:
          unknown_share: share in [0, 1) of the photographs recognised right that may have a
            winning probability below the threshold.

        Returns:
          An edge of a bin; None where no photograph is right.
        """
        total = int(self.num_right.sum())
        if not total:
            return None
        below = np.concatenate([[0], np.cumsum(self.num_right)[:-1]])
        # A hair more: 0.05 * 20 photographs is one, and 0.07 * 100 is seven.
        allowed = np.floor(unknown_share * total + 1e-9)
        return float(np.searchsorted(below, allowed, side="right") - 1) / NUM_BINS


def count_confidence(confidence: np.ndarray, is_right: np.ndarray) -> ConfidenceHistogram:
    """The histogram of some photographs; a probability that is not a number is left out.

    Args:
      confidence: float [n] in [0, 1], of the winning label.
      is_right: bool [n].
    """
    is_number = np.isfinite(confidence)
    bins = np.minimum(confidence[is_number] * np.float32(NUM_BINS), NUM_BINS - 1).astype(np.int64)
    return ConfidenceHistogram(
        np.bincount(bins, minlength=NUM_BINS),
        np.bincount(bins[is_right[is_number]], minlength=NUM_BINS),
    )


_MIDDLES = (np.arange(NUM_BINS) + 0.5) / NUM_BINS


def _in_reliability_bins(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(NUM_RELIABILITY_BINS, -1).sum(axis=1)
