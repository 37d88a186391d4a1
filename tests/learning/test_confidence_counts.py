"""What stores count of a model's confidence, through the whole of a federated evaluation."""

import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail.learning import confidence_counts, fed_eval, round_metrics
from tff_retail.learning.confidence_histogram import NUM_BINS, count_confidence
from tff_retail.runtime import round_form

# Logits are (first feature, second feature, 0).
WEIGHTS = tff.learning.models.ModelWeights(
    (np.array([[1, 0, 0], [0, 1, 0]], np.float32), np.zeros(3, np.float32)), ()
)
FEATURES = np.array([[5, 0], [0, 5], [-3, 1.5], [0, 0], [50, 0]], np.float32)
LABELS = [0, 0, 1, 2, 0]


@pytest.mark.usefixtures("in_process")
def test_stores_counts_add_up_to_those_of_all_photographs(build_linear_model, store_data):
    process = fed_eval.build_fed_eval(build_linear_model())
    state = process.set_model_weights(process.initialize(), WEIGHTS)
    stores = [store_data(FEATURES[:3], LABELS[:3], 2), store_data(FEATURES[3:], LABELS[3:])]
    found = round_metrics.confidence_histogram(process.next(state, stores).metrics)
    logits = np.concatenate([FEATURES, np.zeros((5, 1), np.float32)], axis=1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = count_confidence(probabilities.max(axis=1), probabilities.argmax(axis=1) == LABELS)
    np.testing.assert_array_equal(found.num_examples, expected.num_examples)
    np.testing.assert_array_equal(found.num_right, expected.num_right)
    assert (found.num_examples.sum(), found.num_right.sum()) == (5, 3)
    assert found.num_examples[NUM_BINS - 1] == 1  # the probability of 1 has a bin


@pytest.mark.usefixtures("in_process")
def test_a_probability_that_is_no_number_is_left_out(build_linear_model, store_data):
    process = fed_eval.build_fed_eval(build_linear_model())
    state = process.set_model_weights(process.initialize(), WEIGHTS)
    stores = [store_data([[np.nan, 0], [5, 0]], [0, 0])]
    found = round_metrics.confidence_histogram(process.next(state, stores).metrics)
    assert (found.num_examples.sum(), found.num_right.sum()) == (1, 1)


def test_only_whole_numbers_are_added_to_what_leaves_a_store(build_linear_model):
    process = fed_eval.build_fed_eval(build_linear_model())
    work = round_form.compile_round_form(process.initialize, process.next)["work"]
    added = [leaf for leaf in work.result if f"/{confidence_counts.CONFIDENCE}/" in leaf.path]
    assert [(leaf.dtype, leaf.shape) for leaf in added] == [("int64", (NUM_BINS,))] * 2


def test_metrics_without_counts_have_no_histogram():
    metrics = {"client_work/eval/current_round_metrics/loss": 1.0}
    assert round_metrics.confidence_histogram(metrics) is None
