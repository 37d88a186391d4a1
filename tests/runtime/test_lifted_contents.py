"""The contents of large arrays, taken out of a message: the rest and they are the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_federated.proto.v0 import executor_pb2

from tff_retail.runtime.lifted_contents import lift_contents
from tff_retail.runtime.value_decoding import MAX_DEPTH, MalformedValue, decode_array
from tff_retail.runtime.value_encoding import encode_create_value_request
from tff_retail.runtime.value_tree import Struct
from tff_retail.runtime.varint import encode_varint

LARGE, SMALL = np.arange(5000, dtype=np.float32), np.arange(6, dtype=np.int64)


def _arrays(value: executor_pb2.Value):
    if value.WhichOneof("value") == "struct":
        for element in value.struct.element:
            yield from _arrays(element.value)
    else:
        yield value.array


def test_what_is_left_is_small_and_nothing_is_copied():
    flags = np.ones(9000, np.bool_)
    tree = Struct((("a", LARGE), ("", Struct((("b", SMALL), ("c", flags)))), ("d", 2 * LARGE)))
    request = b"".join(encode_create_value_request(tree, "executor 1"))
    left, contents = lift_contents(memoryview(request))
    assert len(left) < 300
    assert [len(content) for content in contents] == [20_000, 9000, 20_000]
    whole = np.frombuffer(request, np.uint8)
    assert all(np.shares_memory(whole, np.frombuffer(one, np.uint8)) for one in contents)
    message = executor_pb2.CreateValueRequest.FromString(left)
    assert message.executor.id == "executor 1"
    lifted = iter(contents)
    found = [decode_array(array, lifted) for array in _arrays(message.value)]
    for ours, theirs in zip(found, [LARGE, SMALL, flags, 2 * LARGE], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_an_array_holds_its_numbers_once():
    """Or the second content would be taken for the next array's."""
    request = executor_pb2.CreateValueRequest()
    request.value.array.content = bytes(5000)
    array = request.value.array.SerializeToString()
    field = b"\x32" + encode_varint(2 * len(array)) + 2 * array
    with pytest.raises(MalformedValue, match="an array must hold its numbers once"):
        lift_contents(memoryview(b"\x0a" + encode_varint(len(field)) + field))


def test_other_large_fields_stay_where_they_are():
    request = executor_pb2.CreateValueRequest()
    request.value.computation.tensorflow.graph_def.value = bytes(10_000)
    request.executor.id = "x" * 5000
    left, contents = lift_contents(memoryview(request.SerializeToString()))
    assert contents == []
    assert executor_pb2.CreateValueRequest.FromString(left) == request


def test_contents_keep_no_memory_of_other_things_alive():
    request = b"".join(encode_create_value_request(LARGE, "executor 1"))
    padded = request + b"\x7a\x80\x80\x04" + bytes(4 * 2**14)  # a field that nobody knows
    _, (content,) = lift_contents(memoryview(padded))
    np.testing.assert_array_equal(np.frombuffer(content, np.float32), LARGE)
    assert not np.shares_memory(np.frombuffer(padded, np.uint8), np.frombuffer(content, np.uint8))


def test_an_array_that_says_another_length_than_it_has_is_refused():
    request = b"".join(encode_create_value_request(LARGE, "executor 1"))
    left, contents = lift_contents(memoryview(request))
    array = executor_pb2.CreateValueRequest.FromString(left).value.array
    for wrong in ([contents[0][:-4]], []):
        with pytest.raises(MalformedValue, match="length must be 20000 by its shape"):
            decode_array(array, iter(wrong))


def test_what_nests_too_deep_is_refused():
    tree = LARGE
    for _ in range(2 * MAX_DEPTH):
        tree = Struct((("", tree),))
    request = b"".join(encode_create_value_request(tree, "executor 1"))
    with pytest.raises(MalformedValue, match="nested 32 deep at most"):
        lift_contents(memoryview(request))


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x80", b"\xff" * 11, b"\x0a", b"\x0a\x05abc", b"\x09abc", b"\x0b", b"\x0d\x00", b"\x08\x80"],
)
def test_broken_messages_are_refused(request_bytes):
    with pytest.raises(MalformedValue):
        lift_contents(memoryview(request_bytes))


_PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [bytes(5000), b"\x0a\x88\x27", b"\x32\x88\x27", b"\x1a\x88\x27", b"\x92\x01\x88\x27"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=8))
def test_any_bytes_end_in_a_result_or_in_its_error(pieces):
    request = b"".join(pieces)
    try:
        left, contents = lift_contents(memoryview(request))
    except MalformedValue:
        return
    assert len(left) + sum(map(len, contents)) <= len(request)
