"""What a store sent becomes leaves only where it is exactly what `work` gives."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_federated.proto.v0 import executor_pb2

from tff_retail.runtime.graph_part import Leaf
from tff_retail.runtime.result_leaves import require_finite, result_leaves
from tff_retail.runtime.value_decoding import MalformedValue
from tff_retail.runtime.value_encoding import encode_compute_response
from tff_retail.runtime.value_tree import Struct

EXPECTED = (
    Leaf("update/0", "", "float32", (2, None), 0),
    Leaf("update/1", "", "int64", (), 0),
    Leaf("mask", "", "bool", (3,), 1),
    Leaf("half", "", "bfloat16", (1,), 1),
)
MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
NUMBER, MASK = np.array(-7), np.array([True, False, True])
HALF = np.array([1.5], ml_dtypes.bfloat16)


def _response(matrix=MATRIX, number=NUMBER, mask=MASK, half=HALF) -> bytes:
    update = Struct((("", matrix), ("", number)))
    tree = Struct((("update", update), ("mask", mask), ("half", half)))
    return b"".join(encode_compute_response(tree))


def test_leaves_are_what_was_sent_and_refer_to_it():
    response = _response()
    leaves = result_leaves(response, EXPECTED)
    for found, sent in zip(leaves, (MATRIX, NUMBER, MASK, HALF), strict=True):
        assert (found.dtype, found.shape) == (sent.dtype, sent.shape)
        np.testing.assert_array_equal(found, sent)
    memory = np.frombuffer(response, np.uint8)
    assert np.shares_memory(leaves[0], memory)
    assert not leaves[0].flags.writeable


@pytest.mark.parametrize(
    "changed, sentence",
    [
        ({"matrix": MATRIX.astype(np.float64)}, "update/0 must be float32, found another type"),
        ({"matrix": MATRIX.T}, r"update/0 must have the shape \[2, None\], found \[3, 2\]"),
        ({"matrix": MATRIX[0]}, r"update/0 must have the shape \[2, None\], found \[3\]"),
        ({"number": np.array([-7])}, r"update/1 must have the shape \[\], found \[1\]"),
        ({"mask": MASK.view(np.uint8)}, "mask must be bool, found another type"),
    ],
)
def test_another_type_or_shape_is_refused(changed, sentence):
    with pytest.raises(MalformedValue, match=sentence):
        result_leaves(_response(**changed), EXPECTED)


def test_too_few_and_too_many_arrays_are_refused():
    for expected in (EXPECTED[:-1], (*EXPECTED, EXPECTED[-1])):
        with pytest.raises(MalformedValue, match=f"must have {len(expected)} arrays"):
            result_leaves(_response(), expected)


def test_a_content_that_is_shorter_than_its_shape_is_refused():
    proto = executor_pb2.ComputeResponse.FromString(_response())
    proto.value.struct.element[0].value.struct.element[0].value.array.content = b"1234"
    with pytest.raises(MalformedValue, match="update/0 must have 24 bytes, found 4"):
        result_leaves(proto.SerializeToString(), EXPECTED)


def test_a_bool_that_is_none_is_refused():
    proto = executor_pb2.ComputeResponse.FromString(_response())
    proto.value.struct.element[1].value.array.content = b"\0\1\2"
    with pytest.raises(MalformedValue, match="mask must be of bools"):
        result_leaves(proto.SerializeToString(), EXPECTED)


def test_a_value_of_another_kind_is_refused():
    proto = executor_pb2.ComputeResponse()
    proto.value.computation.data.uri = "store://train"
    with pytest.raises(MalformedValue, match="must be of arrays and structs"):
        result_leaves(proto.SerializeToString(), EXPECTED)
    with pytest.raises(MalformedValue, match="must be a message of one value"):
        result_leaves(b"", EXPECTED)


def _field(number: int, payload: bytes) -> bytes:
    length = len(payload)
    return bytes([number << 3 | 2, length & 127 | 128, length >> 7]) + payload


def test_structs_nested_without_end_are_refused():
    value = b"\x32\x00"  # an array
    for _ in range(40):  # as an element (1), its value (2) and a struct (3)
        value = _field(3, _field(1, _field(2, value)))
    response = _field(1, value)
    with pytest.raises(MalformedValue, match="nested 32 deep at most"):
        result_leaves(response, EXPECTED)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_found(value):
    half = np.array([value], ml_dtypes.bfloat16)
    with pytest.raises(MalformedValue, match="finite numbers, found others in half"):
        require_finite(result_leaves(_response(half=half), EXPECTED), EXPECTED)
    matrix = MATRIX.copy()
    require_finite(result_leaves(_response(matrix), EXPECTED), EXPECTED)
    matrix[1, 2] = value
    with pytest.raises(MalformedValue, match="finite numbers, found others in update/0"):
        require_finite(result_leaves(_response(matrix), EXPECTED), EXPECTED)


@given(st.data())
def test_no_bytes_raise_anything_else(data):
    response = bytearray(_response())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(response) - 1))
        response[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(response)))
    try:
        leaves = result_leaves(bytes(response[:cut]), EXPECTED)
    except MalformedValue:
        return
    assert [leaf.dtype.name for leaf in leaves] == [leaf.dtype for leaf in EXPECTED]
