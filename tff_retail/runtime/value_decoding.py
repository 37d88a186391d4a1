"""Reads arrays from TFF's protocol buffers for values; nothing that they say is trusted."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import array_pb2, executor_pb2

from tff_retail.runtime.value_tree import Struct, ValueTree
from tff_retail.runtime.wire_dtype import WIRE_DTYPES_BY_NUMBER, WireDtype

# The structs of a round form nest four or five deep; a value may stand in a few of a caller's.
MAX_DEPTH = 32
# What NumPy's arrays may have.
_MAX_DIMENSIONS = 32


class MalformedValue(ValueError):
    """A value's message contradicts itself, or is of a kind that is not taken."""


def decode_tree(value: executor_pb2.Value, depth: int = 0) -> ValueTree:
    """A value of arrays and structs alone.

    Raises:
      MalformedValue: it holds something else, or an array that is not what it says.
    """
    kind = value.WhichOneof("value")
    if kind == "array":
        return decode_array(value.array)
    if kind != "struct":
        raise MalformedValue(f"a value must be of arrays and structs, found {kind}")
    if depth == MAX_DEPTH:
        raise MalformedValue(f"a value must be nested {MAX_DEPTH} deep at most")
    elements = value.struct.element
    return Struct(tuple((each.name, decode_tree(each.value, depth + 1)) for each in elements))


def decode_array(array: array_pb2.Array, lifted: Iterator[memoryview] | None = None) -> np.ndarray:
    """An array, read-only where it was sent by its content.

    Args:
      array: as it was sent.
      lifted: contents that were taken out of the message, see `lift_contents`; the next one is this
        array's where it holds nothing.

    Raises:
      MalformedValue: its type, shape and length contradict each other, or can't be.
    """
    wire = WIRE_DTYPES_BY_NUMBER.get(array.dtype)
    if wire is None:
        raise MalformedValue(f"an array must be of numbers, found data type {array.dtype}")
    shape = _shape(array.shape)
    # What lies in a field of the other kind is looked at by nobody.
    if array.HasField("content"):
        return _from_content(array.content, wire, shape)
    if lifted is not None and array.WhichOneof("kind") is None:
        return _from_content(next(lifted, memoryview(b"")), wire, shape)
    return _from_list(array, wire, shape)


def _shape(proto: array_pb2.ArrayShape) -> tuple[int, ...]:
    if proto.unknown_rank or len(proto.dim) > _MAX_DIMENSIONS or any(dim < 0 for dim in proto.dim):
        raise MalformedValue(
            f"an array's shape must be known and have {_MAX_DIMENSIONS} dimensions at most"
        )
    return tuple(proto.dim)


def _from_content(
    content: bytes | memoryview, wire: WireDtype, shape: tuple[int, ...]
) -> np.ndarray:
    _check_length(len(content), math.prod(shape) * wire.dtype.itemsize)
    if wire.dtype == np.bool_ and bytes(content).strip(b"\0\1"):
        # Other bits in a bool's byte are undefined behaviour in the kernels that read it.
        raise MalformedValue("a bool must be 0 or 1")
    return np.frombuffer(content, wire.dtype).reshape(shape)


def _from_list(array: array_pb2.Array, wire: WireDtype, shape: tuple[int, ...]) -> np.ndarray:
    if array.WhichOneof("kind") != wire.list_field:
        raise MalformedValue(
            f"an array must hold a content or a {wire.list_field}, found {array.WhichOneof('kind')}"
        )
    values: Any = getattr(array, wire.list_field).value
    _check_length(len(values), math.prod(shape))
    # 64 bits hold what any list's field may; then it must fit.
    wide = np.array(values, wire.list_dtype if wire.list_dtype.kind in "bf" else np.object_)
    if wide.dtype == np.object_ and len(wide):
        limits = np.iinfo(wire.list_dtype)
        if min(wide) < limits.min or max(wide) > limits.max:
            raise MalformedValue(f"a number must fit {wire.list_dtype}")
    return wide.astype(wire.list_dtype).view(wire.dtype).reshape(shape)


def _check_length(found: int, expected: int) -> None:
    if found != expected:
        raise MalformedValue(f"an array's length must be {expected} by its shape, found {found}")
