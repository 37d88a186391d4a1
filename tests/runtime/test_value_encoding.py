import ml_dtypes
import numpy as np
import pytest
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import executor_pb2

from tff_retail.runtime.value_decoding import decode_tree
from tff_retail.runtime.value_encoding import (
    encode_compute_response,
    encode_create_value_request,
    num_bytes,
)
from tff_retail.runtime.value_tree import Struct, leaves_of_tree

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.float32(1.5).reshape(()),
    np.array(-7, np.int64),
    np.array(True),
    np.array([True, False]),
    np.zeros([0, 4], np.float64),
    np.array([1, 2], np.float16),
    np.array(2.5, np.float16),
    np.array([[3]], ml_dtypes.bfloat16),
    np.array(0.5, ml_dtypes.bfloat16),
    np.array([-1, 5], np.int8),
    np.arange(6, dtype=np.int32).reshape(2, 3).T,
    np.array([2**63], np.uint64),
    np.ones(5000, np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_tff_reads_what_is_written(array):
    message = encode_compute_response(array)
    response = executor_pb2.ComputeResponse.FromString(b"".join(message))
    found, found_type = tff.framework.deserialize_value(response.value)
    assert (found_type.dtype, found_type.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)
    assert np.asarray(found).dtype == array.dtype
    assert num_bytes(message) == len(b"".join(message))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_what_tff_writes_is_read(array):
    value, _ = tff.framework.serialize_value(array, tff.TensorType(array.dtype, array.shape))
    found = decode_tree(value)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_structs_keep_names_and_order():
    inner = Struct((("", np.array([1.0])), ("b", np.array(2))))
    tree = Struct((("x", inner), ("a", np.ones(3000, np.float32))))
    request = executor_pb2.CreateValueRequest.FromString(
        b"".join(encode_create_value_request(tree, "executor 1"))
    )
    assert request.executor.id == "executor 1"
    read = decode_tree(request.value)
    assert [name for name, _ in read.elements] == ["x", "a"]
    assert [name for name, _ in read.elements[0][1].elements] == ["", "b"]
    for found, written in zip(leaves_of_tree(read), leaves_of_tree(tree), strict=True):
        assert (found.dtype, found.tobytes()) == (written.dtype, written.tobytes())


def test_large_arrays_are_not_copied():
    array = np.ones(100_000, np.float32)
    message = encode_compute_response(Struct((("w", array), ("v", np.ones(3)))))
    (view,) = [buffer for buffer in message if isinstance(buffer, memoryview)]
    assert np.shares_memory(np.frombuffer(view, np.float32), array)
    assert len(message) == 3


def test_other_than_numbers_do_not_travel():
    with pytest.raises(TypeError, match="must be of numbers, found object"):
        encode_compute_response(np.array(["text"], object))
