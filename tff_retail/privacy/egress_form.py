"""Whether what the executor answers is exactly the message that a value of its type makes.

The executor may have been taken over by what it runs. So nothing of an answer passes but the
numbers themselves: names, types, shapes and lengths must be those of the graph's type in the one
way that this project writes them, which leaves no place for anything else. The numbers are any
bits, NaN and infinities among them: a diverged model has them, and headquarters discards them.
"""

from collections.abc import Iterator

from tff_retail.privacy.protobuf_fields import (
    BYTES,
    Buffer,
    MalformedMessage,
    WireField,
    read_fields,
    the_field,
    write_bytes,
    write_number,
    write_varint,
)
from tff_retail.privacy.value_type import DTYPES, StructType, TensorType, ValueType

# Fields of TFF's messages.
_RESPONSE_VALUE = 1
_VALUE_STRUCT, _VALUE_ARRAY = 3, 6
_STRUCT_ELEMENT, _ELEMENT_NAME, _ELEMENT_VALUE = 1, 1, 2
_DTYPE, _SHAPE, _CONTENT = 1, 2, 18
_DIM = 1
_LIST_VALUE = 1
# The field of a scalar's list, by data type, and whether its numbers are varints.
_LISTS = {
    "bool": (3, True),
    "int8": (4, True),
    "int16": (5, True),
    "int32": (6, True),
    "int64": (7, True),
    "uint8": (8, True),
    "uint16": (9, True),
    "uint32": (10, True),
    "uint64": (11, True),
    "float16": (12, True),
    "float32": (13, False),
    "float64": (14, False),
    "bfloat16": (19, True),
}
_SIGNED = ("int8", "int16", "int32", "int64")


def check_egress_form(answer: memoryview, value_type: ValueType) -> None:
    """Returns where `answer` is a `ComputeResponse` of a value of a type, and nothing beside it.

    Raises:
      MalformedMessage: it is not.
    """
    value = the_field(answer, _RESPONSE_VALUE)
    position = 0
    for piece, is_content in _pieces(write_bytes(_RESPONSE_VALUE, _value(value, value_type))):
        size = memoryview(piece).nbytes
        # Contents are what stands there, of the right length: only where they stand is to be seen.
        if not is_content and answer[position : position + size] != piece:
            raise MalformedMessage("a message that is written another way than values are")
        position += size
    if position != answer.nbytes:
        raise MalformedMessage("a message with something behind its value")


def _pieces(message: list[Buffer]) -> Iterator[tuple[Buffer, bool]]:
    """What is made here is bytes; contents are views of the answer."""
    for piece in message:
        yield piece, isinstance(piece, memoryview)


def _value(message: memoryview, value_type: ValueType) -> list[Buffer]:
    """The value as it must be written, around the contents that are there."""
    if isinstance(value_type, StructType):
        elements = [field.payload for field in read_fields(the_field(message, _VALUE_STRUCT))]
        if len(elements) != len(value_type.elements):
            raise MalformedMessage(f"a struct of {len(elements)} elements")
        written: list[Buffer] = []
        for element, (name, inner) in zip(elements, value_type.elements, strict=True):
            written += write_bytes(_STRUCT_ELEMENT, _element(element, name, inner))
        return write_bytes(_VALUE_STRUCT, written)
    if not isinstance(value_type, TensorType) or not value_type.is_known:
        raise MalformedMessage("a value of a type that does not leave")
    return write_bytes(_VALUE_ARRAY, _array(the_field(message, _VALUE_ARRAY), value_type))


def _element(message: memoryview, name: str, inner: ValueType) -> list[Buffer]:
    values = [field.payload for field in read_fields(message) if field.number == _ELEMENT_VALUE]
    if len(values) != 1:
        raise MalformedMessage(f"an element of {len(values)} values")
    named = write_bytes(_ELEMENT_NAME, [name.encode()]) if name else []
    return [*named, *write_bytes(_ELEMENT_VALUE, _value(values[0], inner))]


def _array(message: memoryview, tensor: TensorType) -> list[Buffer]:
    sizes = b"".join(write_varint(size) for size in tensor.shape)
    shape: list[Buffer] = write_bytes(_DIM, [sizes]) if sizes else []
    head: list[Buffer] = [write_number(_DTYPE, tensor.number), *write_bytes(_SHAPE, shape)]
    if tensor.shape == ():
        number, is_varint = _LISTS[tensor.dtype]
        fields = [field for field in read_fields(message) if field.number == number]
        if len(fields) != 1 or fields[0].kind != BYTES:
            raise MalformedMessage("a scalar without its number")
        return [*head, *write_bytes(number, _scalar(fields[0].payload, tensor, is_varint))]
    contents = [field.payload for field in read_fields(message) if field.number == _CONTENT]
    if len(contents) != 1 or contents[0].nbytes != tensor.num_bytes:
        raise MalformedMessage(f"an array that has not {tensor.num_bytes} bytes")
    if tensor.dtype == "bool" and bytes(contents[0]).strip(b"\0\1"):
        raise MalformedMessage("a bool that is neither 0 nor 1")
    return [*head, *write_bytes(_CONTENT, [contents[0]])]


def _scalar(message: memoryview, tensor: TensorType, is_varint: bool) -> list[Buffer]:
    """A list of one number, in the shortest form of one that the type has."""
    packed = the_field(message, _LIST_VALUE)
    if not is_varint:
        if packed.nbytes != tensor.num_bytes:
            raise MalformedMessage("a scalar of another length")
        return write_bytes(_LIST_VALUE, [packed])
    (field,) = _as_fields(packed)
    bits = 8 * DTYPES[tensor.number][1]
    value = field.value
    if tensor.dtype in _SIGNED:
        signed = value - 2**64 if value >= 2**63 else value
        fits = -(2 ** (bits - 1)) <= signed < 2 ** (bits - 1)
    else:
        fits = value < (2 if tensor.dtype == "bool" else 2**bits)
    if not fits:
        raise MalformedMessage(f"a number that is no {tensor.dtype}")
    return write_bytes(_LIST_VALUE, [write_varint(value)])


def _as_fields(packed: memoryview) -> list[WireField]:
    fields = list(read_fields(write_varint(_LIST_VALUE << 3) + bytes(packed)))
    if len(fields) != 1:
        raise MalformedMessage("a list of more numbers than one")
    return fields
