import numpy as np
import pytest
from tensorflow_federated.proto.v0 import array_pb2, data_type_pb2, executor_pb2

from tff_retail.runtime.value_decoding import MAX_DEPTH, MalformedValue, decode_array, decode_tree

FLOAT, BOOL, INT8 = data_type_pb2.DT_FLOAT, data_type_pb2.DT_BOOL, data_type_pb2.DT_INT8


def _array(dtype=FLOAT, dim=(2,), unknown_rank=False, **fields) -> array_pb2.Array:
    shape = array_pb2.ArrayShape(dim=dim, unknown_rank=unknown_rank)
    return array_pb2.Array(dtype=dtype, shape=shape, **fields)


FLOATS = array_pb2.Array.FloatList
INTS = array_pb2.Array.IntList


def test_good_ones_are_read():
    content = np.array([1, 2], np.float32).tobytes()
    np.testing.assert_array_equal(decode_array(_array(content=content)), [1, 2])
    listed = decode_array(_array(float32_list=FLOATS(value=[3, 4])))
    assert listed.dtype == np.float32
    np.testing.assert_array_equal(listed, [3, 4])


@pytest.mark.parametrize(
    "array, told",
    [
        (_array(content=b"1234567"), "length must be 8 by its shape, found 7"),
        (_array(content=b"123456789"), "length must be 8 by its shape, found 9"),
        (_array(dim=(2**62, 2**62), content=b""), "by its shape, found 0"),
        (_array(dim=(-1,), content=b""), "shape must be known"),
        (_array(dim=(1,) * 33, content=b"1234"), "32 dimensions at most"),
        (_array(unknown_rank=True, content=b""), "shape must be known"),
        (_array(dtype=data_type_pb2.DT_STRING, content=b"12345678"), "of numbers, found data"),
        (_array(dtype=99, content=b"12345678"), "of numbers, found data type 99"),
        (_array(BOOL, content=b"\1\2"), "a bool must be 0 or 1"),
        (_array(), "must hold a content or a float32_list, found None"),
        (_array(int8_list=INTS(value=[1, 2])), "or a float32_list, found int8_list"),
        (_array(float32_list=FLOATS(value=[1])), "length must be 2 by its shape, found 1"),
        (_array(INT8, int8_list=INTS(value=[1, 300])), "a number must fit int8"),
        (_array(INT8, int8_list=INTS(value=[-129, 0])), "a number must fit int8"),
    ],
)
def test_bad_ones_are_refused(array, told):
    with pytest.raises(MalformedValue, match=told):
        decode_array(array)


def test_deep_ones_are_refused():
    value = executor_pb2.Value(array=_array(content=b"12345678"))
    for _ in range(MAX_DEPTH):
        element = executor_pb2.Value.Struct.Element(value=value)
        value = executor_pb2.Value(struct=executor_pb2.Value.Struct(element=[element]))
    decode_tree(value)
    element = executor_pb2.Value.Struct.Element(value=value)
    with pytest.raises(MalformedValue, match="nested 32 deep at most"):
        decode_tree(executor_pb2.Value(struct=executor_pb2.Value.Struct(element=[element])))


def test_other_kinds_are_refused():
    with pytest.raises(MalformedValue, match="of arrays and structs, found sequence"):
        decode_tree(executor_pb2.Value(sequence=executor_pb2.Value.Sequence()))
    with pytest.raises(MalformedValue, match="of arrays and structs, found None"):
        decode_tree(executor_pb2.Value())
