import json
import struct

import hypothesis
import pytest
from hypothesis import strategies as st

from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_fields import Field, ListOf, MappingOf, Number, Text, Whole
from tff_retail.transport.link_frames import (
    FRAMES,
    MAX_BODY_BYTES,
    MAX_FRAME_BYTES,
    MAX_HEADER_BYTES,
    Frame,
    Kind,
    decode_frame,
    encode_frame,
)

_DIGEST = "0123456789abcdef" * 4


def _values(field: Field) -> st.SearchStrategy:
    match field:
        case Whole():
            return st.integers(field.least, field.most)
        case Number():
            return st.floats(-1e300, 1e300) | st.integers(-(10**300), 10**300)
        case ListOf():
            return st.lists(_values(field.item), max_size=3, unique=True)
        case MappingOf():
            return st.dictionaries(_values(field.name), _values(field.item), max_size=3)
        case Text():
            texts = (
                st.from_regex(field.pattern, fullmatch=True)
                if field.pattern
                else st.text(max_size=field.most)
            )
            return texts.filter(lambda text: not field.flaw(text))
    raise AssertionError(field)


@st.composite
def _frames(draw) -> Frame:
    kind = draw(st.sampled_from(list(Kind)))
    header = {name: draw(_values(field)) for name, field in FRAMES[kind].fields.items()}
    body = draw(st.binary(max_size=min(300, FRAMES[kind].most_body_bytes)))
    return Frame(kind, header, memoryview(body))


def _message(kind: int, header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">BI", kind, len(text)) + text + body


def test_every_kind_has_a_rule():
    assert set(FRAMES) == set(Kind)


def test_a_frame_on_the_wire():
    frame = Frame(Kind.PART, {"number": 7}, [b"ab", memoryview(b"c"), bytearray(b"d")])
    assert encode_frame(frame) == b'\x0d\x00\x00\x00\x0c{"number":7}abcd'


@hypothesis.given(_frames())
def test_every_frame_comes_back_as_it_was(frame):
    found = decode_frame(encode_frame(frame))
    assert (found.kind, found.header, bytes(found.view)) == (
        frame.kind,
        frame.header,
        bytes(frame.view),
    )


@hypothesis.given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_fault(message):
    try:
        decode_frame(message)
    except PeerFault as fault:
        assert str(fault).isprintable()


@hypothesis.given(_frames(), st.data())
def test_a_frame_with_bytes_changed_is_a_frame_or_a_fault(frame, data):
    message = bytearray(encode_frame(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_frame(bytes(message[: data.draw(st.integers(0, len(message)))]))
    except PeerFault as fault:
        assert str(fault).isprintable()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "^A frame must have at least 5 bytes, has 0$"),
        (_message(99, {}), "^A frame's kind must be in the table, found 99$"),
        (b"\x0d\x00\x00\x00\x09{}", "^A header must be within its frame"),
        (struct.pack(">BI", 13, 70_000) + bytes(80_000), "at most 65536 bytes, has 70000"),
        (_message(13, b"[" * 60_000), "^The header of `part` must be JSON: maximum recursion"),
        (_message(13, b"\xff"), "^The header of `part` must be JSON: 'utf-8' codec"),
        (_message(13, b'{"number":1,"number":2}'), "a name is there twice$"),
        (_message(13, b'{"number":' + b"1" * 5000 + b"}"), "must be JSON: Exceeds the limit"),
        (_message(13, [1]), "^The header of `part` must be a JSON object$"),
        (_message(13, {}), "^`part` must have the fields number$"),
        (_message(13, {"number": 1, "more": 1}), "^`part` must have the fields number$"),
        (_message(13, {"number": True}), "^`number` of `part` must be a whole number from 1 to"),
        (_message(13, {"number": 0}), "^`number` of `part` must be a whole number from 1 to"),
        (_message(13, {"number": 1.0}), "^`number` of `part` must be a whole number from 1 to"),
        (_message(12, {"number": 1}, b"x"), "^`cancel` must have a body of at most 0 bytes, has 1"),
        (
            _message(13, {"number": 1}, bytes(MAX_BODY_BYTES + 1)),
            "^`part` must have a body of at most 1048576 bytes, has 1048577$",
        ),
        (_message(17, {"reason": "a\nforged line"}), "^`reason` of `goodbye` must be printable$"),
        (_message(17, {"reason": "\ud800"}), "^`reason` of `goodbye` must be printable$"),
        (_message(17, {"reason": "x" * 501}), "must have at most 500 characters, has 501$"),
        (
            _message(5, {"manifest": _DIGEST, "digests": [_DIGEST] * 2}),
            "^`digests` of `want` must not name anything twice$",
        ),
        (
            _message(5, {"manifest": _DIGEST, "digests": ["../../etc/passwd"]}),
            "^`digests` of `want` has an item that must match",
        ),
        (
            _message(5, {"manifest": _DIGEST, "digests": [[]]}),
            "^`digests` of `want` has an item that must be a string$",
        ),
        (
            _message(15, {"state": "on", "code": "", "values": {"s": 10**400}}),
            "^`values` of `report` has an item that must be a finite number$",
        ),
        (
            _message(15, b'{"state":"on","code":"","values":{"s":1e999}}'),
            "^`values` of `report` has an item that must be a finite number$",
        ),
        (_message(15, b'{"state":"on","code":"","values":{"s":NaN}}'), "a number is not finite$"),
        (
            _message(7, {"manifest": _DIGEST, "examples": {str(n): 1 for n in range(17)}}),
            "^`examples` of `ready` must be an object of at most 16 names$",
        ),
    ],
)
def test_what_breaks_the_table_is_the_peers_fault(message, reason):
    with pytest.raises(PeerFault, match=reason):
        decode_frame(message)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.PART, {}),
        Frame(Kind.PART, {"number": 1}, [bytes(MAX_BODY_BYTES), b"x"]),
        Frame(Kind.GOODBYE, {"reason": "two\nlines"}),
        Frame(Kind.WELCOME, {"version": 1, "session": "a/b", "run": ""}),
    ],
)
def test_what_breaks_the_table_is_not_sent(frame):
    with pytest.raises(LocalFault):
        encode_frame(frame)


def test_a_frame_fits_in_its_limit():
    digests = [f"{number:064x}" for number in range(256)]
    want = encode_frame(Frame(Kind.WANT, {"manifest": _DIGEST, "digests": digests}))
    assert len(want) < MAX_HEADER_BYTES
    part = encode_frame(Frame(Kind.PART, {"number": 2**53}, [bytes(MAX_BODY_BYTES)]))
    assert len(part) <= MAX_FRAME_BYTES
