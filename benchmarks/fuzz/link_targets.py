"""The store link's parsers: frames, headers, packed parts, and both ends as conversations."""

import contextlib
import datetime
import json
import struct
import zlib
from collections.abc import Callable, Mapping

from benchmarks.fuzz.fuzz_target import FuzzTarget
from benchmarks.fuzz.steps import read_steps, write_steps
from tff_retail.transport.frame_header import read_header
from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import (
    FRAMES,
    MAX_BODY_BYTES,
    Frame,
    Kind,
    LinkState,
    Side,
    decode_frame,
    encode_frame,
)
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import LinkProtocol
from tff_retail.transport.packed_part import pack_part, unpack_part
from tff_retail.transport.store_protocol import StoreProtocol

_DIGEST = "0123456789abcdef" * 4
_VALUES: Mapping[str, object] = {
    "versions": [1, 2],
    "software": "0.1",
    "tensorflow": "2.14",
    "python": "3.11",
    "version": 2,
    "session": "s1",
    "run": "run",
    "code": 5,
    "sentence": "no",
    "reason": "no",
    "number": 1,
    "size": 40_000,
    "digest": _DIGEST,
    "digests": [_DIGEST],
    "manifest": _DIGEST,
    "examples": {"train": 3},
    "method": "Compute",
    "round": 1,
    "state": "ready",
    "values": {"loss": 1.5},
    "name": "model",
    "signature": "AAAA",
    "log": _DIGEST,
    "sequence": 1,
    "hash": _DIGEST,
    "time": f"{datetime.datetime(2026, 11, 21):%Y-%m-%dT%H:%M:%SZ}",
    "certificates": ["AAAA"],
}
_HELLO = Hello(software="0.1", tensorflow="2.14", python="3.11").to_frame()
_WELCOME = Frame(Kind.WELCOME, {"version": 2, "session": "s1", "run": "run"})
# Small, so that inputs of a fuzzer's size reach them.
_LIMITS = LinkLimits(
    max_calls=4, max_receiving_bytes=200_000, max_waiting_frames=30, frame_burst=40
)
# Kinds of steps below the kinds of frames: bytes as they are, then what this end does itself.
_RAW, _OPEN, _CANCEL, _PROCEED, _WRITE, _CLOSE = range(200, 206)


def link_targets() -> dict[str, Callable[[], FuzzTarget]]:
    """Makers of the targets by name."""
    return {
        "link_frame": _link_frame,
        "frame_header": _frame_header,
        "packed_part": _packed_part,
        "headquarters_protocol": lambda: _conversation(_welcomed_headquarters, Side.STORE),
        "store_protocol": lambda: _conversation(_welcomed_store, Side.HEADQUARTERS),
    }


def _link_frame() -> FuzzTarget:
    return FuzzTarget(decode_frame, (PeerFault,), [encode_frame(_frame(kind)) for kind in Kind])


def _frame_header() -> FuzzTarget:
    seeds = [json.dumps(dict(_frame(kind).header)).encode() for kind in Kind]
    return FuzzTarget(read_header, (ValueError,), seeds)


def _packed_part() -> FuzzTarget:
    def read(data: bytes) -> None:
        size = int.from_bytes(data[:3], "big") % (MAX_BODY_BYTES + 1)
        unpacked = unpack_part(
            Frame(Kind.PACKED, {"number": 1, "size": size}, memoryview(data[3:]))
        )
        assert unpacked.view.nbytes == size
        assert pack_part([unpacked.view[:64]]) is None or size

    plain = [bytes(1000), b"some words " * 90, bytes(range(256)) * 4]
    seeds = [len(one).to_bytes(3, "big") + zlib.compress(one) for one in plain]
    return FuzzTarget(read, (PeerFault,), seeds)


def _frame(kind: Kind, body: bytes = b"") -> Frame:
    header = {name: _value(kind, name) for name in FRAMES[kind].fields}
    return Frame(kind, header, memoryview(body))


def _value(kind: Kind, name: str) -> object:
    if name == "code" and kind is not Kind.FAILED:
        return "certificate"
    return _VALUES[name]


def _welcomed_headquarters() -> LinkProtocol:
    headquarters = HeadquartersProtocol(_LIMITS)
    headquarters.receive(encode_frame(_HELLO), 0.0)
    headquarters.send(_WELCOME)
    _drain(headquarters)
    return headquarters


def _welcomed_store() -> LinkProtocol:
    store = StoreProtocol(_LIMITS, pack=pack_part)
    store.send(_HELLO)
    store.receive(encode_frame(_WELCOME), 0.0)
    _drain(store)
    return store


def _conversation(begin: Callable[[], LinkProtocol], theirs: Side) -> FuzzTarget:
    """An end that is open; each step is a frame of the other end, or something it does itself."""

    def read(data: bytes) -> None:
        end = begin()
        for number, (kind, carried) in enumerate(read_steps(data)):
            _step(end, kind, carried, 0.01 * number)
            if end.state is LinkState.CLOSED:
                break
        _drain(end)

    one = struct.pack(">BI", 1, 40_000)
    body = bytes(40_000)
    seeds = [
        write_steps([(kind, one + (body if FRAMES[kind].most_body_bytes else b""))])
        for kind in Kind
        if theirs in FRAMES[kind].sides
    ]
    call = [(_OPEN, body[:50]), (_WRITE, b"")]
    if theirs is Side.STORE:
        seeds.append(write_steps([*call, (Kind.RESULT, struct.pack(">BI", 1, 3) + b"abc")]))
        large = struct.pack(">BI", 1, 80_000)
        parts = [(Kind.PART, one + body), (Kind.PART, one + body)]
        seeds.append(write_steps([*call, (Kind.RESULT, large), (_PROCEED, b"\1"), *parts]))
        seeds.append(write_steps([*call, (_CANCEL, b"\1"), (Kind.FAILED, one)]))
    else:
        whole = struct.pack(">BI", 1, 4) + b"body"
        seeds.append(write_steps([(Kind.CALL, whole), (_OPEN, b"\1abc"), (_WRITE, b"")]))
        seeds.append(
            write_steps([(Kind.CALL, one + body[:32_768]), (Kind.PART, one + body[:7232])])
        )
        seeds.append(write_steps([(Kind.CALL, whole), (Kind.CANCEL, one), (Kind.GOODBYE, one)]))
    return FuzzTarget(read, (PeerFault,), seeds, max_bytes=100_000)


def _step(end: LinkProtocol, kind: int, carried: bytes, now_s: float) -> None:
    if kind == _RAW:
        end.receive(carried, now_s)
    elif kind in set(Kind):
        end.receive(_message(Kind(kind), carried), now_s)
    else:
        with contextlib.suppress(LocalFault):  # what this end may not do now, it does not do
            _do(end, kind, carried)


def _message(kind: Kind, carried: bytes) -> bytes:
    """A frame of a kind with a number, a size and a body of the fuzzer's."""
    frame = _frame(kind)
    header = dict(frame.header)
    number, size = struct.unpack_from(">BI", carried.ljust(5, b"\0"))
    for name, value in (("number", number), ("size", size), ("round", number)):
        if name in header:
            header[name] = value
    text = json.dumps(header).encode()
    return struct.pack(">BI", kind, len(text)) + text + carried[5:]


def _do(end: LinkProtocol, kind: int, carried: bytes) -> None:
    number = carried[0] if carried else 1
    if kind == _WRITE:
        end.next_message()
    elif kind == _CLOSE:
        end.send(Frame(Kind.GOODBYE, {"reason": "the end"}))
    elif isinstance(end, HeadquartersProtocol):
        if kind == _OPEN and end.has_room_for_a_call:
            end.open(Kind.CALL, {"method": "Compute"}, [carried])
        elif kind == _CANCEL:
            end.cancel(number)
        elif kind == _PROCEED:
            end.proceed(number)
    elif isinstance(end, StoreProtocol):
        if kind == _OPEN:
            end.answer(number, [carried[1:] * 100])
        elif kind == _CANCEL:
            end.fail(number, 13, "no")


def _drain(end: LinkProtocol) -> None:
    while end.next_message() is not None:
        pass
