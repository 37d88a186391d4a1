import numpy as np
import pytest

from tff_retail.program.model_evaluation import Answers, ModelEvaluation
from tff_retail.program.unknown_calls import UnknownCalls, unknown_calls


def _evaluation(wanted, given, confidence):
    answers = Answers(np.array(wanted), np.array(given), np.array(confidence, np.float32))
    return ModelEvaluation(("a", "b"), np.zeros((2, 2), int), 0, 0.0, {}, answers)


def test_shares_of_right_wrong_and_other_labels():
    evaluation = _evaluation(
        wanted=[0, 0, 1, 1, 0, -1, -1, -1],
        given=[0, 0, 1, 0, 1, 0, 1, 1],
        confidence=[0.9, 0.3, 0.8, 0.4, 0.7, 0.2, 0.3, 0.9],
    )
    assert unknown_calls(evaluation, 0.5) == UnknownCalls(
        threshold=0.5,
        called_unknown=2 / 5,
        right_called_unknown=pytest.approx(1 / 3),
        wrong_called_unknown=1 / 2,
        accuracy_of_rest=pytest.approx(2 / 3),
        other_labels_called_unknown=pytest.approx(2 / 3),
    )


def test_what_is_as_sure_as_the_threshold_is_no_unknown_product():
    calls = unknown_calls(_evaluation([0], [0], [0.5]), 0.5)
    assert (calls.called_unknown, calls.accuracy_of_rest) == (0, 1)


def test_nothing_to_divide_by_is_none():
    calls = unknown_calls(_evaluation([0], [0], [0.5]), 0.9)
    assert calls.accuracy_of_rest is None
    assert calls.wrong_called_unknown is None and calls.other_labels_called_unknown is None
