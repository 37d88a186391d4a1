"""Takes the contents of large arrays out of a serialised `CreateValueRequest`, without a copy.

Parsed whole, 100 MB are copied three times, which takes as long as the rest of a small round. Here
the wire format (https://protobuf.dev/programming-guides/encoding/) is walked through along the one
way that leads to arrays, and what is left is a small message for the parser.
"""

from tff_retail.runtime.value_decoding import MAX_DEPTH, MalformedValue
from tff_retail.runtime.varint import encode_varint

# Less is not worth a walk.
_LARGE_BYTES = 4096
# A struct in a struct is three messages deep.
_MAX_MESSAGES = 3 * MAX_DEPTH + 3
# The way to arrays: message and field number -> message. Of TFF's executor.proto.
_WAY = {
    ("CreateValueRequest", 1): "Value",
    ("Value", 3): "Struct",
    ("Struct", 1): "Element",
    ("Element", 2): "Value",
    ("Value", 6): "Array",
}
_CONTENT = ("Array", 18)
# Wire types, and the bytes of those that have always as many.
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_MAX_VARINT_BYTES = 10


def lift_contents(request: memoryview) -> tuple[bytes, list[memoryview]]:
    """A request without the contents of its large arrays, and these contents in their order.

    The contents are views of the request where they make up half of it at least.

    Raises:
      MalformedValue: it is no message.
    """
    contents: list[memoryview] = []
    left = _walk(request, "CreateValueRequest", 0, contents)
    if 2 * sum(map(len, contents)) < len(request):
        # They would keep the memory of a request alive that holds other things than arrays.
        contents = [memoryview(bytes(content)) for content in contents]
    return left, contents


def _walk(view: memoryview, message: str, depth: int, contents: list[memoryview]) -> bytes:
    if depth > _MAX_MESSAGES:
        raise MalformedValue(f"a value must be nested {MAX_DEPTH} deep at most")
    left = bytearray()
    has_content = False
    position = 0
    while position < len(view):
        begin = position
        tag, position = _read_varint(view, position)
        number, wire_type = tag >> 3, tag & 7
        body, end = _extent(view, position, wire_type)
        position = end
        if (message, number) == _CONTENT:
            if has_content:  # the second would be taken for another array's
                raise MalformedValue("an array must hold its numbers once")
            has_content = True
        if wire_type != _LENGTH_DELIMITED or end - body < _LARGE_BYTES:
            left += view[begin:end]
        elif (message, number) == _CONTENT:
            contents.append(view[body:end])
        elif (message, number) in _WAY:
            inner = _walk(view[body:end], _WAY[message, number], depth + 1, contents)
            left += encode_varint(tag) + encode_varint(len(inner)) + inner
        else:
            left += view[begin:end]
    return bytes(left)


def _extent(view: memoryview, position: int, wire_type: int) -> tuple[int, int]:
    """Where a field's body begins and ends."""
    if wire_type == _LENGTH_DELIMITED:
        length, body = _read_varint(view, position)
        end = body + length
    elif wire_type == _VARINT:
        body, (_, end) = position, _read_varint(view, position)
    elif wire_type in _FIXED_BYTES:
        body, end = position, position + _FIXED_BYTES[wire_type]
    else:
        raise MalformedValue(f"a field must be of a wire type in use, found {wire_type}")
    if end > len(view):
        raise MalformedValue("a field must end within its message")
    return body, end


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if position >= len(view):
            break
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position
    raise MalformedValue("a number must end within its message")
