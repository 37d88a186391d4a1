"""The frames of the store link: one table that says all, and the codec.

A frame is one gRPC message, or on a socket pair what follows a length of four bytes:

    kind: u8 | header length: u32, big-endian | header: a JSON object in UTF-8 | body: the rest

Every header field of a kind is there, and no other: what is added one day comes with a new version.
docs/protocol.md explains; `FRAMES` decides.
"""

import dataclasses
import enum
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tff_retail.transport.frame_header import read_header
from tff_retail.transport.link_faults import LinkFault, LocalFault, PeerFault
from tff_retail.transport.link_fields import Field, ListOf, MappingOf, Number, Text, Whole
from tff_retail.transport.link_state import LinkState, Side

# Whatever bytes are passed on; an array is passed as `memoryview(array)`, C-contiguous.
Buffer: TypeAlias = bytes | bytearray | memoryview

# The versions of this table that this release speaks.
VERSIONS = (1, 2)

# Largest header: 1,000 SHA-256 digests in hexadecimal fit in it, and a parse takes a millisecond.
MAX_HEADER_BYTES = 64 * 1024
# Largest body: measured, messages of 1 MiB reach the speed of a plain TLS socket and those of
# 256 KiB do not; larger ones would only make a cancel wait longer.
MAX_BODY_BYTES = 1024 * 1024
# A part that is not the last has at least so much: else 100 MB could come as 100 million frames.
# Headquarters sends such small ones where a thousand stores share its memory.
MIN_PART_BYTES = 32 * 1024
# A result up to this size is sent at once; a larger one is announced, and waits for `proceed`. The
# references that most calls give must not wait behind models, nor take another round trip.
MAX_UNASKED_BYTES = 64 * 1024

_PREFIX = struct.Struct(">BI")
MAX_FRAME_BYTES = _PREFIX.size + MAX_HEADER_BYTES + MAX_BODY_BYTES


class Kind(enum.IntEnum):
    """A frame's kind; the value is its first byte."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    MANIFEST = 4
    WANT = 5
    CONTENT = 6
    READY = 7
    DECLINED = 8
    CALL = 9
    RESULT = 10
    FAILED = 11
    CANCEL = 12
    PART = 13
    ACKNOWLEDGE = 14
    REPORT = 15
    MODEL = 16
    GOODBYE = 17
    PROCEED = 18
    PACKED = 19
    HEAD = 20
    COUNTERSIGNED = 21


@dataclasses.dataclass(frozen=True)
class FrameRule:
    """What holds for the frames of one kind.

    Attributes:
      sides: who may send it.
      states: of the link in which it may be sent.
      fields: of its header.
      then: the state after it, where it changes it.
      most_body_bytes: of this one frame.
      opens_transfer: its header has `number` and `size`; the bytes are its body and then those of
        `part` frames with the same number.
      since: the first version of the link that has it.
    """

    sides: frozenset[Side]
    states: frozenset[LinkState]
    fields: Mapping[str, Field]
    then: LinkState | None = None
    most_body_bytes: int = 0
    opens_transfer: bool = False
    since: int = 1


_HEADQUARTERS, _STORE = frozenset({Side.HEADQUARTERS}), frozenset({Side.STORE})
_BOTH = _HEADQUARTERS | _STORE
_ATTENDING = frozenset({LinkState.ATTENDING})

# Numbers count upwards from 1 on each connection, which never lives long enough to use them up.
_NUMBER = Whole(least=1, most=2**53)
# Protobuf refuses messages of 2 GiB.
_SIZE = Whole(most=2**31 - 1)
_DIGEST = Text(64, "[0-9a-f]{64}")
# Short names for programs: codes, methods, splits.
_NAME = Text(64, "[A-Za-z0-9][A-Za-z0-9_.-]*")
_CODE = Text(64, "([a-z0-9][a-z0-9_.-]*)?")
_SENTENCE = Text(500)
_VERSION = Text(100)
# A run is a folder's name at headquarters; '' outside of a run.
_RUN = Text(200)
# The last entry of an audit log: which log, and the entry's number and hash.
_HEAD: dict[str, Field] = {"log": _DIGEST, "sequence": Whole(least=1, most=2**53), "hash": _DIGEST}
_TIME = Text(32, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# A certificate of ours has 800 bytes in DER, and headquarters shows two.
_CERTIFICATES = ListOf(Text(8000, "[A-Za-z0-9+/]+=*"), most=3)


def _transfer(sides: frozenset[Side], **fields: Field) -> FrameRule:
    return FrameRule(
        sides,
        _ATTENDING,
        {"number": _NUMBER, "size": _SIZE, **fields},
        most_body_bytes=MAX_BODY_BYTES,
        opens_transfer=True,
    )


FRAMES: Mapping[Kind, FrameRule] = {
    Kind.HELLO: FrameRule(
        _STORE,
        frozenset({LinkState.OPENING}),
        {
            "versions": ListOf(Whole(least=1, most=1_000_000), most=64),
            "software": _VERSION,
            "tensorflow": _VERSION,
            "python": _VERSION,
        },
        then=LinkState.GREETED,
    ),
    Kind.WELCOME: FrameRule(
        _HEADQUARTERS,
        frozenset({LinkState.GREETED}),
        {"version": Whole(least=1, most=1_000_000), "session": _NAME, "run": _RUN},
        then=LinkState.ATTENDING,
    ),
    Kind.REFUSED: FrameRule(
        _HEADQUARTERS,
        frozenset({LinkState.OPENING, LinkState.GREETED, LinkState.ATTENDING}),
        {"code": _CODE, "sentence": _SENTENCE},
        then=LinkState.CLOSED,
    ),
    Kind.MANIFEST: _transfer(_HEADQUARTERS, digest=_DIGEST),
    Kind.WANT: FrameRule(
        _STORE, _ATTENDING, {"manifest": _DIGEST, "digests": ListOf(_DIGEST, most=256)}
    ),
    Kind.CONTENT: _transfer(_HEADQUARTERS, digest=_DIGEST),
    Kind.READY: FrameRule(
        _STORE,
        _ATTENDING,
        {"manifest": _DIGEST, "examples": MappingOf(_NAME, Whole(most=2**53), most=16)},
    ),
    Kind.DECLINED: FrameRule(
        _STORE, _ATTENDING, {"manifest": _DIGEST, "code": _CODE, "sentence": _SENTENCE}
    ),
    Kind.CALL: _transfer(_HEADQUARTERS, method=_NAME),
    Kind.RESULT: _transfer(_STORE),
    Kind.FAILED: FrameRule(
        _STORE,
        _ATTENDING,
        {"number": _NUMBER, "code": Whole(least=1, most=16), "reason": _SENTENCE},
    ),
    Kind.PROCEED: FrameRule(_HEADQUARTERS, _ATTENDING, {"number": _NUMBER}),
    Kind.CANCEL: FrameRule(_HEADQUARTERS, _ATTENDING, {"number": _NUMBER}),
    Kind.PART: FrameRule(_BOTH, _ATTENDING, {"number": _NUMBER}, most_body_bytes=MAX_BODY_BYTES),
    Kind.PACKED: FrameRule(
        _STORE,
        _ATTENDING,
        {"number": _NUMBER, "size": Whole(least=1, most=MAX_BODY_BYTES)},
        most_body_bytes=MAX_BODY_BYTES,
    ),
    Kind.ACKNOWLEDGE: FrameRule(
        _HEADQUARTERS, _ATTENDING, {"run": _RUN, "round": Whole(most=2**53)}
    ),
    Kind.REPORT: FrameRule(
        _STORE,
        _ATTENDING,
        {"state": _NAME, "code": _CODE, "values": MappingOf(_NAME, Number(), most=64)},
    ),
    Kind.MODEL: _transfer(_HEADQUARTERS, name=_NAME, digest=_DIGEST, signature=Text(200)),
    Kind.HEAD: FrameRule(_STORE, _ATTENDING, _HEAD, since=2),
    Kind.COUNTERSIGNED: FrameRule(
        _HEADQUARTERS,
        _ATTENDING,
        {**_HEAD, "time": _TIME, "signature": Text(200), "certificates": _CERTIFICATES},
        since=2,
    ),
    Kind.GOODBYE: FrameRule(
        _BOTH,
        frozenset({LinkState.OPENING, LinkState.GREETED, LinkState.ATTENDING}),
        {"reason": _SENTENCE},
        then=LinkState.CLOSED,
    ),
}


@dataclasses.dataclass(frozen=True)
class Frame:
    """One message of the link.

    Attributes:
      kind: of the table.
      header: exactly the fields that the table lists for the kind.
      body: bytes; an encoded frame takes several buffers, a decoded one gives one view.
    """

    kind: Kind
    header: Mapping[str, Any]
    body: Sequence[Buffer] | memoryview = ()

    @property
    def view(self) -> memoryview:
        """The body in one piece; that of a frame which was not decoded is copied for it."""
        if isinstance(self.body, memoryview):
            return self.body
        return memoryview(b"".join(self.body))


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame; the body's buffers are copied once.

    Raises:
      LocalFault: the frame breaks the table.
    """
    header = json.dumps(frame.header, separators=(",", ":"), allow_nan=False).encode()
    pieces = [frame.body] if isinstance(frame.body, memoryview) else list(frame.body)
    size = sum(memoryview(piece).nbytes for piece in pieces)
    _check(frame.kind, frame.header, len(header), size, LocalFault)
    return b"".join([_PREFIX.pack(frame.kind, len(header)), header, *pieces])


def decode_frame(message: Buffer) -> Frame:
    """The frame of a message; its body is a view of the message.

    Raises:
      PeerFault: the bytes are no frame, or one that breaks the table.
    """
    view = memoryview(message)
    if view.nbytes < _PREFIX.size:
        raise PeerFault(f"A frame must have at least {_PREFIX.size} bytes, has {view.nbytes}")
    number, length = _PREFIX.unpack_from(view)
    if number not in FRAMES:
        raise PeerFault(f"A frame's kind must be in the table, found {number}")
    if length > min(MAX_HEADER_BYTES, view.nbytes - _PREFIX.size):
        raise PeerFault(
            f"A header must be within its frame and have at most {MAX_HEADER_BYTES} bytes, has "
            f"{length} in a frame of {view.nbytes}"
        )
    kind, body = Kind(number), view[_PREFIX.size + length :]
    try:
        header = read_header(bytes(view[_PREFIX.size : _PREFIX.size + length]))
    except ValueError as error:
        raise PeerFault(f"The header of `{_label(kind)}` must be {error}") from None
    _check(kind, header, length, body.nbytes, PeerFault)
    return Frame(kind, header, body)


def _check(
    kind: Kind,
    header: Mapping[str, Any],
    header_bytes: int,
    body_bytes: int,
    fault: type[LinkFault],
) -> None:
    rule = FRAMES[kind]
    if set(header) != set(rule.fields):
        raise fault(f"`{_label(kind)}` must have the fields {', '.join(rule.fields) or 'none'}")
    if header_bytes > MAX_HEADER_BYTES:
        raise fault(f"A header must have at most {MAX_HEADER_BYTES} bytes, has {header_bytes}")
    if body_bytes > rule.most_body_bytes:
        raise fault(
            f"`{_label(kind)}` must have a body of at most {rule.most_body_bytes} bytes, has "
            f"{body_bytes}"
        )
    for name, field in rule.fields.items():
        if flaw := field.flaw(header[name]):
            raise fault(f"`{name}` of `{_label(kind)}` {flaw}")


def _label(kind: Kind) -> str:
    return kind.name.lower()
