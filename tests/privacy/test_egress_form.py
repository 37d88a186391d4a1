"""Nothing passes but the numbers: any other bit of an answer is refused."""

import struct as packing

import pytest

from tests.privacy.executor_messages import (
    FLOAT32,
    INT64,
    answer,
    array,
    message,
    scalar,
    value_struct,
)
from tff_retail.privacy.egress_form import check_egress_form
from tff_retail.privacy.protobuf_fields import MalformedMessage, write_varint
from tff_retail.privacy.value_type import StructType, TensorType

TYPE = StructType(
    (
        ("", StructType((("update", TensorType(FLOAT32, (2, 3))),))),
        ("num_examples", TensorType(INT64, ())),
        ("", TensorType(FLOAT32, ())),
    )
)
CONTENT = bytes(range(24))
UPDATE = array(FLOAT32, (2, 3), CONTENT)
MINUS_ONE = write_varint(2**64 - 1)
HALF = packing.pack("<f", 0.5)


def _answer(update=UPDATE, count=None, weight=None) -> bytes:
    count = scalar(INT64, MINUS_ONE) if count is None else count
    weight = scalar(FLOAT32, HALF) if weight is None else weight
    inner = value_struct(("update", update))
    return answer(value_struct(inner, ("num_examples", count), weight))


def test_an_honest_answer_passes():
    check_egress_form(memoryview(_answer()), TYPE)
    nan = packing.pack("<f", float("nan"))
    check_egress_form(memoryview(_answer(weight=scalar(FLOAT32, nan))), TYPE)


def test_no_bit_is_free_but_those_of_the_numbers():
    honest = _answer()
    free = set()
    for position in range(len(honest)):
        for bit in range(8):
            other = bytearray(honest)
            other[position] ^= 1 << bit
            try:
                check_egress_form(memoryview(bytes(other)), TYPE)
                free.add(position)
            except MalformedMessage:
                pass
    start, weight = honest.index(CONTENT), honest.index(HALF)
    count = honest.index(MINUS_ONE)
    numbers = {*range(start, start + 24), *range(weight, weight + 4), *range(count, count + 10)}
    assert set(range(start, start + 24)) <= free <= numbers


@pytest.mark.parametrize(
    "hidden",
    [
        _answer() + b"photograph",
        _answer() + message(2, b"photograph"),
        answer(value_struct()) + _answer(),
        _answer(update=UPDATE + message(6, b"")),
        _answer(update=array(FLOAT32, (2, 3), CONTENT + b"pixels")),
        _answer(update=array(FLOAT32, (3, 2), CONTENT)),
        _answer(update=array(3, (2, 3), CONTENT)),
        _answer(update=message(6, UPDATE[2:] + message(17, b"photograph"))),
        _answer(update=message(4, b"photograph")),
        _answer(update=message(2, b"photograph")),
        _answer(count=scalar(INT64, MINUS_ONE + MINUS_ONE)),
        _answer(count=scalar(INT64, b"\x81\x80\x00")),
        _answer(count=scalar(FLOAT32, HALF)),
        _answer(weight=scalar(FLOAT32, HALF + HALF)),
        b"",
        b"\xff" * 40,
    ],
    ids=range(16),
)
def test_what_is_hidden_in_an_answer_is_refused(hidden):
    with pytest.raises(MalformedMessage):
        check_egress_form(memoryview(hidden), TYPE)


@pytest.mark.parametrize("flag", [b"\2", b"\xff"])
def test_a_bool_has_one_bit(flag):
    check_egress_form(memoryview(answer(array(10, (1,), b"\1"))), TensorType(10, (1,)))
    with pytest.raises(MalformedMessage):
        check_egress_form(memoryview(answer(array(10, (1,), flag))), TensorType(10, (1,)))


def test_a_type_without_a_shape_has_no_answer():
    for kind in (TensorType(FLOAT32, (-1,)), TensorType(FLOAT32, (), has_rank=False)):
        with pytest.raises(MalformedMessage):
            check_egress_form(memoryview(answer(array(FLOAT32, (1,), HALF))), kind)
