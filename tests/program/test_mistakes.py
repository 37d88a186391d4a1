import numpy as np

from tff_retail.program.mistakes import Mistake, list_mistakes, mistake_positions
from tff_retail.program.model_evaluation import Answers, ModelEvaluation

EVALUATION = ModelEvaluation(
    ("a", "b"),
    np.array([[1, 2], [1, 0]]),
    0,
    0.0,
    {},
    Answers(
        wanted=np.array([0, 0, -1, 1, 0]),
        given=np.array([1, 0, 1, 0, 1]),
        confidence=np.array([0.5, 0.9, 0.95, 0.75, 0.5], np.float32),
    ),
)


class _Photographs:
    def names(self, positions):
        return [("north", f"{position}.jpg") for position in positions]


def test_the_surest_mistake_is_first_and_a_label_the_model_lacks_is_none():
    np.testing.assert_array_equal(mistake_positions(EVALUATION), [3, 0, 4])


def test_a_mistake_says_where_what_and_what_for():
    first, second = list_mistakes(EVALUATION, _Photographs(), mistake_positions(EVALUATION)[:2])
    assert first == Mistake("north", "3.jpg", label="b", taken_for="a", score=0.75)
    assert second == Mistake("north", "0.jpg", label="a", taken_for="b", score=0.5)
