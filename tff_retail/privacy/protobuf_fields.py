"""Reads and writes protocol buffers field by field, where TFF's classes would bring TensorFlow.

https://protobuf.dev/programming-guides/encoding/
"""

import dataclasses
from collections.abc import Iterable, Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
_WIDTHS = {FIXED_64: 8, FIXED_32: 4}
_MAX_VARINT_BYTES = 10
_MAX_NUMBER = 2**64
# Of a message and all that is nested in it. A model has some hundred weights; millions of empty
# fields would keep the daemon busy for minutes, and take a hundred times the bytes that were sent.
_MAX_FIELDS = 100_000

Buffer = bytes | memoryview


class MalformedMessage(ValueError):
    """Bytes that are no protocol buffer; the message is the end of a sentence."""


@dataclasses.dataclass
class FieldBudget:
    """How many fields may yet be read of a message and of all that is nested in it."""

    left: int = _MAX_FIELDS


@dataclasses.dataclass(frozen=True)
class WireField:
    """One field of a message.

    Attributes:
      number: of the field.
      kind: `VARINT`, `FIXED_64`, `BYTES` or `FIXED_32`.
      value: of a varint; 0 else.
      payload: of `BYTES` and fixed ones; empty else.
      start, end: where the whole field stands in the message.
    """

    number: int
    kind: int
    value: int
    payload: memoryview
    start: int
    end: int


def read_fields(message: Buffer, budget: FieldBudget | None = None) -> Iterator[WireField]:
    """The fields of a message, in order.

    Args:
      message: or a part of one.
      budget: shared by all messages that are nested in one; None for one without any.

    Raises:
      MalformedMessage: it is none, or has too many fields.
    """
    view, position, budget = memoryview(message), 0, budget or FieldBudget()
    while position < view.nbytes:
        start, budget.left = position, budget.left - 1
        if budget.left < 0:
            raise MalformedMessage(f"more than {_MAX_FIELDS} fields")
        key, position = _read_varint(view, position)
        kind, value, payload = key & 7, 0, view[:0]
        if kind == VARINT:
            value, position = _read_varint(view, position)
        elif kind == BYTES:
            size, position = _read_varint(view, position)
            payload, position = view[position : position + size], position + size
        elif kind in _WIDTHS:
            payload, position = view[position : position + _WIDTHS[kind]], position + _WIDTHS[kind]
        else:
            raise MalformedMessage("a field of an unknown kind")
        if position > view.nbytes:
            raise MalformedMessage("a field that is cut short")
        yield WireField(key >> 3, kind, value, payload, start, position)


def only_fields(message: Buffer, *numbers: int, kind: int = BYTES) -> dict[int, list[WireField]]:
    """The fields of a message, by number; each of `numbers` has a list, maybe an empty one.

    Raises:
      MalformedMessage: it has a field that is none of `numbers`, or of another kind than `kind`.
    """
    found: dict[int, list[WireField]] = {number: [] for number in numbers}
    for field in read_fields(message):
        if field.number not in found or field.kind != kind:
            raise MalformedMessage(f"a field {field.number} of the kind {field.kind}")
        found[field.number].append(field)
    return found


def the_field(message: Buffer, number: int) -> memoryview:
    """The payload of a message's only field.

    Raises:
      MalformedMessage: it has others, or it more than once, or not at all.
    """
    fields = only_fields(message, number)[number]
    if len(fields) != 1:
        raise MalformedMessage(f"{len(fields)} fields where one is to be")
    return fields[0].payload


def write_varint(value: int) -> bytes:
    """A whole number in its shortest form."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def write_bytes(number: int, payload: Iterable[Buffer]) -> list[Buffer]:
    """A field of bytes, as buffers one after the other."""
    pieces = list(payload)
    size = sum(memoryview(piece).nbytes for piece in pieces)
    return [write_varint(number << 3 | BYTES) + write_varint(size), *pieces]


def write_number(number: int, value: int) -> bytes:
    """A field of one whole number; negative ones as 64 bits of two's complement."""
    return write_varint(number << 3 | VARINT) + write_varint(value % _MAX_NUMBER)


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(view[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value % _MAX_NUMBER, position + shift + 1
    raise MalformedMessage("a number without an end")
