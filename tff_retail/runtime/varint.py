"""A whole number as protocol buffers write it.

https://protobuf.dev/programming-guides/encoding/#varints
"""


def encode_varint(value: int) -> bytes:
    """`value`, not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
