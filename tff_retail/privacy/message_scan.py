"""Looks through a serialised protocol buffer before it is parsed.

A parser makes an object of every two bytes that say so, so that a message of 32 MB may become
gigabytes. This one makes nothing: it walks along the wire format
(https://protobuf.dev/programming-guides/encoding/) by the message's own description, counts, and
finds what the description lacks.
"""

import functools
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

# Bytes of wire types with always as many; varints and lengths are walked through.
_FIXED_BYTES = {1: 8, 5: 4}
_VARINT, _LENGTH_DELIMITED = 0, 2
_MAX_VARINT_BYTES = 10
_WIRE_TYPES = {
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_STRING,
            FieldDescriptor.TYPE_BYTES,
            FieldDescriptor.TYPE_MESSAGE,
        ),
        _LENGTH_DELIMITED,
    ),
    **dict.fromkeys((FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64), 1),
    **dict.fromkeys((FieldDescriptor.TYPE_SFIXED64,), 1),
    **dict.fromkeys((FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32), 5),
    **dict.fromkeys((FieldDescriptor.TYPE_SFIXED32,), 5),
}

_Table = dict[int, Any]


class Unreadable(Exception):
    """A message that is not to be parsed.

    Attributes:
      rule: which it breaks.
    """

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule


def scan_message(
    data: bytes | memoryview, descriptor: Descriptor, *, max_fields: int, max_depth: int
) -> int:
    """Counts the fields of a message and of all messages in it.

    Args:
      data: the serialised message.
      descriptor: of its type.
      max_fields, max_depth: that it may have; elements of a packed field count as one.

    Raises:
      Unreadable: it has more, or a field that its type lacks, or is no message at all.
    """
    table = _table(descriptor)
    position, end, num_fields = 0, len(data), 0
    around: list[tuple[int, _Table]] = []
    while True:
        while position == end:
            if not around:
                return num_fields
            end, table = around.pop()
        tag = data[position]
        position += 1
        if tag >= 0x80:
            tag, position = _varint(data, position - 1, end)
        if tag not in table:
            raise Unreadable(
                "unknown_field", f"a message must have fields of its type alone, found tag {tag}"
            )
        num_fields += 1
        if num_fields > max_fields:
            raise Unreadable(
                "too_many_fields", f"a graph's messages may have {max_fields} fields, found more"
            )
        wire_type = tag & 7
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(data, position, end)
            inner = table[tag]
            if length > end - position:
                raise _cut_off()
            if inner is None:
                position += length
            else:
                around.append((end, table))
                if len(around) > max_depth:
                    raise Unreadable(
                        "nested_too_deep", f"a graph's messages may be nested {max_depth} deep"
                    )
                table, end = inner(), position + length
        elif wire_type == _VARINT:
            _, position = _varint(data, position, end)
        else:
            position += _FIXED_BYTES[wire_type]
            if position > end:
                raise _cut_off()


@functools.cache
def _table(descriptor: Descriptor) -> _Table:
    """By tag: what gives the table of the message inside, or None where there is none."""
    table: _Table = {}
    for field in descriptor.fields:
        wire_type = _WIRE_TYPES.get(field.type, _VARINT)
        inner = None
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = functools.partial(_table, field.message_type)
        table[field.number << 3 | wire_type] = inner
        if field.label == FieldDescriptor.LABEL_REPEATED and wire_type != _LENGTH_DELIMITED:
            table[field.number << 3 | _LENGTH_DELIMITED] = None  # packed
    return table


def _varint(data: bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position
    raise _cut_off()


def _cut_off() -> Unreadable:
    return Unreadable("malformed_graph", "a graph's messages must end where they say")
