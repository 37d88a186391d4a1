"""An input as a sequence of steps: what a fuzzer changes are the steps and what they carry."""

import struct
from collections.abc import Iterator, Sequence

# The kind of a step, and the length of what it carries.
_HEAD = struct.Struct(">BH")
# A conversation of more tells nothing new.
_MAX_STEPS = 64


def read_steps(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The steps of an input, as far as it goes; any bytes are some steps."""
    position = 0
    for _ in range(_MAX_STEPS):
        if position + _HEAD.size > len(data):
            return
        kind, size = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        yield kind, data[position : position + size]
        position += size


def write_steps(steps: Sequence[tuple[int, bytes]]) -> bytes:
    """The input that has these steps."""
    return b"".join(_HEAD.pack(kind, len(carried)) + carried for kind, carried in steps)
