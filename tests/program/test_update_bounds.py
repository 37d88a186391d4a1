"""What one store adds to a sum, held to what its own work would have kept to."""

import numpy as np
import pytest

from tff_retail.config import LearningConfig
from tff_retail.learning.update_encoding import UpdateEncoding
from tff_retail.program.update_bounds import UpdateBounds
from tff_retail.runtime.graph_part import Leaf
from tff_retail.runtime.value_decoding import MalformedValue


class _Part:
    result = [
        Leaf("0/loss/0", "", "float32", (), 0),
        Leaf("1/0", "", "float32", (2,), 1),
        Leaf("1/1", "", "float32", (1,), 1),
        Leaf("2", "", "float32", (), 2),
        Leaf("3/norm", "", "float32", (), 3),
    ]


def _bounds(**learning) -> UpdateBounds:
    return UpdateBounds.of({"accumulate": _Part}, LearningConfig(**learning))  # type: ignore[arg-type]


def _accumulator(update, weight):
    values = np.asarray(update, np.float32)
    return [np.float32(9e9), values[:2], values[2:], np.float32(weight), np.float32(9e9)]


@pytest.mark.parametrize("weight", [4.0, 1e6])
def test_what_its_own_work_clips_is_within(weight):
    bounds = _bounds(update_clip_norm=3.0)
    bounds(_accumulator(np.array([2, 2, 1]) * weight, weight))
    with pytest.raises(MalformedValue, match=r"found a norm of 3\.06 and 3\.03 allowed"):
        bounds(_accumulator(np.array([2, 2, 1]) * 1.02 * weight, weight))


def test_what_weighs_nothing_may_add_nothing():
    bounds = _bounds(update_clip_norm=3.0)
    bounds(_accumulator([0, 0, 0], 0))
    with pytest.raises(MalformedValue, match="found a norm of inf"):
        bounds(_accumulator([0, 0, 1e-6], 0))


@pytest.mark.parametrize("weight", [-1.0, 2e9, np.nan, np.inf])
def test_a_weight_is_a_number_that_a_store_can_have(weight):
    with pytest.raises(MalformedValue, match=r"its update must weigh 0 to 1e\+09 examples, found"):
        _bounds()(_accumulator([0, 0, 0], weight))


@pytest.mark.parametrize("update", [[np.inf, 0, 0], [0, 0, np.nan], [1e30, 0, 0]])
def test_what_decodes_to_no_number_is_refused(update):
    with pytest.raises(MalformedValue, match="finite norm"):
        _bounds(update_dtype="int8")(_accumulator(update, 1))


def test_without_a_bound_any_finite_update_is_taken():
    _bounds()(_accumulator([1e15, 0, 0], 1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "int4"])
def test_what_rounding_adds_is_allowed(dtype):
    """One large number among small ones that are all rounded up: the worst there is."""
    small = np.full(127, 1e-6, np.float32)
    sent = np.concatenate([[1.0], small]).astype(np.float32)
    largest = {"int8": 127, "int4": 7}.get(dtype)
    came = sent if largest is None else np.concatenate([[1.0], np.full(127, 1 / largest)])
    assert np.linalg.norm(came) <= UpdateEncoding(dtype).growth * np.linalg.norm(sent)


def test_a_sum_of_another_kind_is_none():
    class Other:
        result = _Part.result[:3]

    with pytest.raises(ValueError, match="one weight, found 0"):
        UpdateBounds.of({"accumulate": Other}, LearningConfig())
