import math

import numpy as np
import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.model_evaluation import (
    Confusion,
    LabelResult,
    evaluate_model,
    label_results,
    worst_confusions,
)
from tff_retail.program.released_model import ReleasedModel

# "Predicts" what an image's first pixel says; the labels' order differs from the photographs'.
_PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]], np.float32)
_MODEL = ReleasedModel(("a", "b", "c"), 1, lambda images: _PROBABILITIES[images[:, 0, 0, 0]])


def _images(values):
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


@pytest.fixture
def evaluation():
    # Photographs of b, a, a, x | b, b; the model says a, a, b, b | b, a.
    batches = [
        (_images([0, 0, 1, 1]), np.array([0, 1, 1, 2], np.int32)),
        (_images([1, 0]), np.array([0, 0], np.int32)),
    ]
    return evaluate_model(_MODEL, batches, labels=("b", "a", "x"), unknown_labels={"y": 4})


def test_counts(evaluation):
    np.testing.assert_array_equal(evaluation.confusion, [[1, 1, 0], [2, 1, 0], [0, 0, 0]])
    assert (evaluation.num_examples, evaluation.accuracy, evaluation.top_5) == (5, 0.4, 1.0)
    assert evaluation.unknown_labels == {"x": 1, "y": 4}
    expected = -sum(map(math.log, (0.2, 0.7, 0.3, 0.6, 0.2))) / 5
    assert evaluation.loss == pytest.approx(expected, rel=1e-6)


def test_every_answer_is_kept_in_order_other_labels_among_them(evaluation):
    answers = evaluation.answers
    np.testing.assert_array_equal(answers.wanted, [1, 0, 0, -1, 1, 1])
    np.testing.assert_array_equal(answers.given, [0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(answers.confidence, np.float32([0.7, 0.7, 0.6, 0.6, 0.6, 0.7]))
    np.testing.assert_array_equal(answers.is_right, [False, True, False, False, True, False])
    confidence = evaluation.confidence  # without the photograph of another label
    assert (confidence.num_examples.sum(), confidence.num_right.sum()) == (5, 2)


def test_a_line_for_each_label(evaluation):
    assert label_results(evaluation) == [
        LabelResult("a", precision=1 / 3, recall=0.5, support=2),
        LabelResult("b", precision=0.5, recall=1 / 3, support=3),
        LabelResult("c", precision=None, recall=None, support=0),
    ]


def test_worst_confusions_come_first(evaluation):
    assert worst_confusions(evaluation) == [
        Confusion("b", "a", count=2, share=2 / 3),
        Confusion("a", "b", count=1, share=0.5),
    ]
    assert len(worst_confusions(evaluation, limit=1)) == 1


def test_top_5_looks_at_five():
    probabilities = np.array([[0.3, 0.2, 0.15, 0.14, 0.13, 0.08]], np.float32)
    model = ReleasedModel(tuple("abcdef"), 1, lambda images: probabilities[[0] * len(images)])
    batches = [(_images([0, 0]), np.array([4, 5], np.int32))]
    evaluation = evaluate_model(model, batches, labels=tuple("abcdef"))
    assert (evaluation.accuracy, evaluation.top_5) == (0.0, 0.5)


def test_a_model_of_other_labels_is_refused():
    batches = [(_images([0]), np.array([0], np.int32))]
    with pytest.raises(ConfigurationError, match="only of pear, while it knows a, b, c"):
        evaluate_model(_MODEL, batches, labels=("pear",))
