"""Types of values that leave a store, read from a serialised TFF computation without TensorFlow.

https://github.com/google-parfait/tensorflow-federated/blob/v0.87.0/tensorflow_federated/proto/v0/computation.proto
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import TypeAlias

from tff_retail.privacy.protobuf_fields import (
    BYTES,
    VARINT,
    Buffer,
    FieldBudget,
    MalformedMessage,
    read_fields,
    the_field,
)

# Fields of TFF's messages.
_COMPUTATION_TYPE = 1
_FUNCTION, _STRUCT, _SEQUENCE, _TENSOR = 1, 2, 3, 4
_PARAMETER, _RESULT = 1, 2
_ELEMENT, _ELEMENT_NAME, _ELEMENT_VALUE = 1, 1, 2
_DTYPE, _DIMS, _UNKNOWN_RANK = 1, 2, 3
_MAX_DEPTH = 32
_UNKNOWN_SIZE = -1
# Ten bytes for each of the 32 dimensions that NumPy's arrays may have.
_MAX_SIZES_BYTES = 320

# TensorFlow's numbers of data types, and bytes of one element; neither strings nor complex numbers.
DTYPES = {
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    9: ("int64", 8),
    10: ("bool", 1),
    14: ("bfloat16", 2),
    17: ("uint16", 2),
    19: ("float16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
}


@dataclasses.dataclass(frozen=True)
class TensorType:
    """A leaf.

    Attributes:
      number: TensorFlow's, of the data type.
      shape: sizes; -1 for one that is not known.
      has_rank: whether the number of sizes is known.
    """

    number: int
    shape: tuple[int, ...]
    has_rank: bool = True

    @property
    def dtype(self) -> str:
        """Such as `float32`; `type 7` for what is no number."""
        return DTYPES[self.number][0] if self.number in DTYPES else f"type {self.number}"

    @property
    def is_known(self) -> bool:
        """Whether it is of numbers and has a fixed shape."""
        return self.number in DTYPES and self.has_rank and min(self.shape, default=0) >= 0

    @property
    def num_elements(self) -> int:
        """Of a tensor of a known shape."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Of the elements of a tensor of a known type."""
        return self.num_elements * DTYPES[self.number][1]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size < 0 else str(size) for size in self.shape)
        return f"{self.dtype}[{sizes if self.has_rank else '...'}]"


@dataclasses.dataclass(frozen=True)
class StructType:
    """A struct; its elements are pairs of a name, maybe '', and a type."""

    elements: "tuple[tuple[str, ValueType], ...]"


@dataclasses.dataclass(frozen=True)
class OtherType:
    """A data set, or what no store gives or takes."""

    is_data: bool


ValueType: TypeAlias = TensorType | StructType | OtherType


@dataclasses.dataclass(frozen=True)
class WorkType:
    """What a computation takes and gives."""

    takes: ValueType
    gives: ValueType


def read_work_type(computation: Buffer) -> WorkType:
    """The type of a serialised computation.

    Raises:
      MalformedMessage: it is no computation of a function with a parameter.
    """
    types = [field for field in read_fields(computation) if field.number == _COMPUTATION_TYPE]
    if len(types) != 1 or types[0].kind != BYTES:
        raise MalformedMessage("a computation without a type")
    function = the_field(types[0].payload, _FUNCTION)
    parts = {field.number: field.payload for field in read_fields(function)}
    if set(parts) != {_PARAMETER, _RESULT}:
        raise MalformedMessage("a function without parameter or result")
    budget = FieldBudget()
    takes, gives = (_read(parts[number], budget, 0) for number in (_PARAMETER, _RESULT))
    return WorkType(takes, gives)


def leaves(value_type: ValueType, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ValueType]]:
    """What is no struct, with its path of names, or positions where there are none."""
    if isinstance(value_type, StructType):
        for position, (name, inner) in enumerate(value_type.elements):
            yield from leaves(inner, (*path, name or str(position)))
    else:
        yield "/".join(path), value_type


def selected(value_type: ValueType, path: tuple[int, ...]) -> ValueType:
    """The type of the part that a path of positions leads to.

    Raises:
      MalformedMessage: it leads nowhere.
    """
    for index in path:
        if not isinstance(value_type, StructType) or not 0 <= index < len(value_type.elements):
            raise MalformedMessage("a selection that leads nowhere")
        value_type = value_type.elements[index][1]
    return value_type


def _read(message: memoryview, budget: FieldBudget, depth: int) -> ValueType:
    if depth > _MAX_DEPTH:
        raise MalformedMessage(f"a type that is nested more than {_MAX_DEPTH} deep")
    fields = list(read_fields(message, budget))
    if len(fields) != 1 or fields[0].kind != BYTES:
        raise MalformedMessage("a type that is not one")
    (field,) = fields
    if field.number == _TENSOR:
        return _read_tensor(field.payload, budget)
    if field.number == _STRUCT:
        return StructType(tuple(_read_elements(field.payload, budget, depth)))
    return OtherType(is_data=field.number == _SEQUENCE)


def _read_elements(
    message: memoryview, budget: FieldBudget, depth: int
) -> Iterator[tuple[str, ValueType]]:
    for field in read_fields(message, budget):
        if field.number != _ELEMENT or field.kind != BYTES:
            raise MalformedMessage("a struct of something else than elements")
        parts = {part.number: part.payload for part in read_fields(field.payload, budget)}
        if not {_ELEMENT_VALUE} <= set(parts) <= {_ELEMENT_NAME, _ELEMENT_VALUE}:
            raise MalformedMessage("an element without a type")
        try:
            name = bytes(parts.get(_ELEMENT_NAME, b"")).decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedMessage("a name that is no text") from None
        yield name, _read(parts[_ELEMENT_VALUE], budget, depth + 1)


def _read_tensor(message: memoryview, budget: FieldBudget) -> TensorType:
    number, shape, has_rank = 0, [], True
    for field in read_fields(message, budget):
        if field.number == _DTYPE and field.kind == VARINT:
            number = field.value
        elif field.number == _DIMS and field.kind == VARINT:
            shape.append(_signed(field.value))
        elif field.number == _DIMS and field.kind == BYTES:
            shape += map(_signed, _packed(field.payload))
        elif field.number == _UNKNOWN_RANK and field.kind == VARINT:
            has_rank = not field.value
        else:
            raise MalformedMessage("a tensor's type with another field")
    return TensorType(number, tuple(max(size, _UNKNOWN_SIZE) for size in shape), has_rank)


def _packed(payload: memoryview) -> Iterator[int]:
    """Numbers one after the other: read as if each were a field's."""
    position = 0
    if payload.nbytes > _MAX_SIZES_BYTES:
        raise MalformedMessage("a tensor's type of too many sizes")
    while position < payload.nbytes:
        end = position
        while end < payload.nbytes and payload[end] >= 0x80:
            end += 1
        (field,) = read_fields(b"\x08" + bytes(payload[position : end + 1]))
        yield field.value
        position = end + 1


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
