"""Calibration error and threshold, worked out by hand."""

import numpy as np
import pytest

from tff_retail.learning.confidence_histogram import (
    NUM_BINS,
    ConfidenceHistogram,
    count_confidence,
)


def _histogram(*confidence_and_right: tuple[float, bool]) -> ConfidenceHistogram:
    confidence, is_right = zip(*confidence_and_right, strict=True)
    return count_confidence(np.array(confidence, np.float32), np.array(is_right))


def test_the_error_is_the_gap_of_each_bin_weighted_by_its_photographs():
    # Bins of a fifteenth: two photographs at 0.9, one right; one at 0.5, right.
    histogram = _histogram((0.9002, True), (0.9002, False), (0.5002, True))
    expected = (2 * abs(0.5 - 0.9002) + abs(1 - 0.5002)) / 3
    assert histogram.expected_calibration_error == pytest.approx(expected, abs=0.5 / NUM_BINS)


def test_over_and_under_confidence_within_a_bin_cancel_and_between_bins_do_not():
    within = _histogram((0.96, True), (0.96, False), *[(0.96, True)] * 23)
    assert within.expected_calibration_error == pytest.approx(0.0, abs=0.001)
    between = _histogram((0.5, True), (0.7, False))
    assert between.expected_calibration_error == pytest.approx(0.6, abs=0.001)


def test_the_diagram_has_fifteen_bins_and_says_which_are_empty():
    bins = _histogram((1.0, True), (0.98, False), (0.01, False)).reliability()
    assert (len(bins), bins[0].low, bins[-1].high) == (15, 0.0, 1.0)
    assert [found.num_examples for found in bins] == [1, *[0] * 13, 2]
    assert (bins[1].confidence, bins[1].accuracy) == (None, None)
    assert (bins[0].accuracy, bins[-1].accuracy) == (0.0, 0.5)
    assert bins[-1].confidence == pytest.approx(0.99, abs=0.5 / NUM_BINS)


@pytest.mark.parametrize(
    ("unknown_share", "threshold"),
    [
        (0.0, 0.05),  # not one of the right ones may be lost
        (0.05, 0.1),  # one of twenty, exactly
        (0.0999, 0.1),
        (0.1, 0.15),
        (0.99, 1 - 1 / NUM_BINS),
    ],
)
def test_the_threshold_loses_as_many_right_ones_as_allowed(unknown_share, threshold):
    # Right at 0.05, 0.10, …, 1.00 of the way; wrong ones in between do not count.
    right = [(number / 20 + 0.0003, True) for number in range(1, 20)] + [(1.0, True)]
    wrong = [(0.03, False), (0.07, False), (0.6, False)]
    found = _histogram(*right, *wrong).unknown_threshold(unknown_share)
    assert found == pytest.approx(threshold, abs=1e-9)
    lost = sum(confidence < found for confidence, _ in right)
    assert lost <= unknown_share * 20 < lost + 1 + 1e-9


def test_a_photograph_that_the_model_is_sure_of_is_never_unknown():
    assert _histogram(*[(1.0, True)] * 3).unknown_threshold(0.5) == (NUM_BINS - 1) / NUM_BINS


def test_where_nothing_is_right_there_is_no_threshold_and_of_nothing_no_error():
    assert _histogram((0.7, False)).unknown_threshold(0.05) is None
    empty = ConfidenceHistogram(np.zeros(NUM_BINS, int), np.zeros(NUM_BINS, int))
    assert empty.expected_calibration_error is None and empty.unknown_threshold(0.05) is None


def test_a_probability_that_is_no_number_is_left_out():
    histogram = _histogram((np.nan, True), (0.5, True))
    assert (histogram.num_examples.sum(), histogram.num_right.sum()) == (1, 1)


def test_counts_of_another_number_of_bins_are_refused():
    with pytest.raises(ValueError, match="1500 bins each, found shapes"):
        ConfidenceHistogram(np.zeros(15, int), np.zeros(15, int))
