"""Reads what a store computed out of the bytes it sent, as leaves that refer to those bytes.

A parsed protocol buffer would hold a large model a second time and each leaf a third time; here the
message is walked in place. Nothing that it says is trusted: it must be exactly what `work` gives.
The wire format is that of https://protobuf.dev/programming-guides/encoding/.
"""

import math
from collections.abc import Iterator, Sequence

import ml_dtypes
import numpy as np
from google.protobuf import message

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import array_pb2, executor_pb2

from tff_retail.runtime.graph_part import Leaf
from tff_retail.runtime.value_decoding import MAX_DEPTH, MalformedValue, decode_array
from tff_retail.runtime.wire_dtype import WIRE_DTYPES_BY_DTYPE

_VARINT, _FIXED_64, _LENGTH_DELIMITED, _FIXED_32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
# What an array may hold beside its content: a type, a shape, or one number.
_MAX_HEAD_BYTES = 1024


def _number(of: type[message.Message], field: str) -> int:
    return of.DESCRIPTOR.fields_by_name[field].number


_RESPONSE_VALUE = _number(executor_pb2.ComputeResponse, "value")
_VALUE_ARRAY = _number(executor_pb2.Value, "array")
_VALUE_STRUCT = _number(executor_pb2.Value, "struct")
_STRUCT_ELEMENT = _number(executor_pb2.Value.Struct, "element")
_ELEMENT_NAME = _number(executor_pb2.Value.Struct.Element, "name")
_ELEMENT_VALUE = _number(executor_pb2.Value.Struct.Element, "value")
_ARRAY_CONTENT = _number(array_pb2.Array, "content")


def result_leaves(response: bytes | memoryview, expected: Sequence[Leaf]) -> list[np.ndarray]:
    """The arrays of a serialised `ComputeResponse`, read-only views of it, in order.

    Args:
      response: what the store sent.
      expected: the leaves of `work`'s result.

    Raises:
      MalformedValue: it is not a value of such leaves; the message says what is wrong.
    """
    view = memoryview(response).toreadonly()
    arrays = _arrays(_only(view, _RESPONSE_VALUE), depth=0)
    leaves = [_leaf(array, leaf) for leaf, array in zip(expected, arrays, strict=False)]
    if len(leaves) < len(expected) or next(arrays, None) is not None:
        raise MalformedValue(f"its result must have {len(expected)} arrays, found another number")
    return leaves


def require_finite(leaves: Sequence[np.ndarray], expected: Sequence[Leaf]) -> None:
    """Raises `MalformedValue` where one of `leaves` holds a number that is not finite."""
    for array, leaf in zip(leaves, expected, strict=True):
        is_float = array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16
        # The least and the largest say it without a second array of the size.
        if is_float and array.size and not np.isfinite([array.min(), array.max()]).all():
            raise MalformedValue(f"its result must be finite numbers, found others in {leaf.path}")


def _arrays(value: memoryview, depth: int) -> Iterator[memoryview]:
    if depth > MAX_DEPTH:
        raise MalformedValue(f"its result must be nested {MAX_DEPTH} deep at most")
    fields = list(_fields(value))
    if len(fields) != 1:
        raise MalformedValue("its result must be of values with one content each")
    ((number, payload),) = fields
    if number == _VALUE_ARRAY:
        yield payload
        return
    if number != _VALUE_STRUCT:
        raise MalformedValue("its result must be of arrays and structs")
    for number, element in _fields(payload):
        if number != _STRUCT_ELEMENT:
            raise MalformedValue("its result must have structs of elements alone")
        yield from _arrays(_only(element, _ELEMENT_VALUE, _ELEMENT_NAME), depth + 1)


def _leaf(array: memoryview, leaf: Leaf) -> np.ndarray:
    content, head = None, bytearray()
    for number, payload, whole in _fields_with_bytes(array):
        if number == _ARRAY_CONTENT:
            content = payload
        else:
            head += whole[: _MAX_HEAD_BYTES + 1]
    if len(head) > _MAX_HEAD_BYTES:
        raise MalformedValue(f"its result's {leaf.path} must be sent by its content")
    try:
        proto = array_pb2.Array.FromString(bytes(head))
    except message.DecodeError as error:
        raise MalformedValue(f"its result's {leaf.path} must be an array") from error
    return _checked(proto, content, leaf)


def _checked(proto: array_pb2.Array, content: memoryview | None, leaf: Leaf) -> np.ndarray:
    wire = WIRE_DTYPES_BY_DTYPE[np.dtype(leaf.dtype)]
    if proto.dtype != wire.number:
        raise MalformedValue(f"its result's {leaf.path} must be {leaf.dtype}, found another type")
    shape = tuple(proto.shape.dim)
    fits = len(shape) == len(leaf.shape) and all(
        size >= 0 and rule in (None, size) for size, rule in zip(shape, leaf.shape, strict=True)
    )
    if proto.shape.unknown_rank or not fits:
        raise MalformedValue(
            f"its result's {leaf.path} must have the shape {list(leaf.shape)}, found "
            f"{list(shape)[:8]}"
        )
    if content is None:
        return decode_array(proto)
    size = math.prod(shape) * wire.dtype.itemsize
    if content.nbytes != size:
        raise MalformedValue(
            f"its result's {leaf.path} must have {size} bytes, found {content.nbytes}"
        )
    if wire.dtype == np.bool_ and bytes(content).strip(b"\0\1"):
        raise MalformedValue(f"its result's {leaf.path} must be of bools")
    return np.frombuffer(content, wire.dtype).reshape(shape)


def _only(view: memoryview, number: int, *others: int) -> memoryview:
    """The payload of the one field `number`; fields of `others` are passed over."""
    found = [payload for field, payload in _fields(view) if field not in others]
    names = {field for field, _ in _fields(view)}
    if len(found) != 1 or not names <= {number, *others}:
        raise MalformedValue("its result must be a message of one value")
    return found[0]


def _fields(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, payload, _ in _fields_with_bytes(view):
        yield number, payload


def _fields_with_bytes(view: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """(number, payload, the whole field) of each field; a payload of a number is empty."""
    position = 0
    while position < view.nbytes:
        start = position
        key, position = _varint(view, position)
        kind, payload = key & 7, view[:0]
        if kind == _LENGTH_DELIMITED:
            length, position = _varint(view, position)
            payload, position = view[position : position + length], position + length
        elif kind == _VARINT:
            _, position = _varint(view, position)
        elif kind in (_FIXED_32, _FIXED_64):
            position += 4 if kind == _FIXED_32 else 8
        else:
            raise MalformedValue("its result must be a protocol buffer, found an unknown field")
        if position > view.nbytes:
            raise MalformedValue("its result must be whole, found it cut short")
        yield key >> 3, payload, view[start:position]


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(view[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, position + shift + 1
    raise MalformedValue("its result must be a protocol buffer, found a number without an end")
