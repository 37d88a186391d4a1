"""TFF's messages in bytes, without TensorFlow: what a caller sends and what an executor answers."""

from collections.abc import Sequence

from tff_retail.privacy.protobuf_fields import write_bytes, write_number

FLOAT32, INT64, INT32 = 1, 9, 3


def message(number: int, *payload: bytes) -> bytes:
    """A message of one field of bytes."""
    return b"".join(write_bytes(number, payload))


def tensor(dtype: int = FLOAT32, *sizes: int) -> bytes:
    """The type of a tensor."""
    return message(4, write_number(1, dtype), *(write_number(2, size) for size in sizes))


def struct(*elements: bytes | tuple[str, bytes]) -> bytes:
    """The type of a struct; elements are types, or pairs of a name and a type."""
    pairs = [one if isinstance(one, tuple) else ("", one) for one in elements]
    return message(
        2,
        *(
            message(1, message(1, name.encode()) if name else b"", message(2, inner))
            for name, inner in pairs
        ),
    )


def work(gives: bytes, *broadcast: bytes) -> bytes:
    """A computation `(<data*, broadcast> -> gives)` without its graph."""
    data = message(3, message(1, tensor(INT32)))
    takes = struct(data, struct(*broadcast))
    return message(1, message(1, message(1, takes), message(2, gives)))


def scalar(dtype: int, number: bytes) -> bytes:
    """A value: one number of a data type whose list has this encoding."""
    field = {FLOAT32: 13, INT64: 7, INT32: 6}[dtype]
    array = write_number(1, dtype) + message(2) + message(field, message(1, number))
    return message(6, array)


def array(dtype: int, sizes: Sequence[int], content: bytes) -> bytes:
    """A value: an array by its content."""
    shape = message(1, bytes(sizes))
    return message(6, write_number(1, dtype) + message(2, shape) + message(18, content))


def value_struct(*elements: bytes | tuple[str, bytes]) -> bytes:
    """A value: a struct of values, maybe with names."""
    pairs = [one if isinstance(one, tuple) else ("", one) for one in elements]
    return message(
        3,
        *(
            message(1, message(1, name.encode()) if name else b"", message(2, inner))
            for name, inner in pairs
        ),
    )


def data(uri: str) -> bytes:
    """A value: data of the store, or a work, by its name."""
    return message(2, message(10, message(1, uri.encode())))


def answer(value: bytes) -> bytes:
    """A `ComputeResponse`."""
    return message(1, value)


def reference(number: int | bytes) -> bytes:
    """A `ValueRef`, which is also the answer of what makes a value when it stands in field 1."""
    text = number if isinstance(number, bytes) else str(number).encode()
    return message(1, text)
