"""What either end of the link must not do, and what becomes of it."""

import json
import struct

import hypothesis
import psutil
import pytest
from hypothesis import strategies as st

from tests.transport.link_ends import (
    CALL,
    DIGEST,
    GOODBYE,
    HELLO,
    WELCOME,
    framed,
    kinds,
    move,
    opened,
)
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import (
    FRAMES,
    MAX_BODY_BYTES,
    MIN_PART_BYTES,
    Frame,
    Kind,
)
from tff_retail.transport.link_protocol import ResultAnnounced


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            framed(Kind.HELLO, **HELLO.header),
            "^`hello` must not come from store while the link",
        ),
        (framed(Kind.WELCOME, **WELCOME.header), "^`welcome` must not come from store"),
        (framed(Kind.CALL, number=1, size=0, method="m"), "^`call` must not come from store"),
        (framed(Kind.RESULT, number=1, size=0), "^A result must answer a call"),
        (framed(Kind.FAILED, number=1, code=1, reason=""), "^A failure must answer a call"),
        (framed(Kind.PART, number=1), "^A part must belong to a body that is on its way$"),
        (framed(Kind.PROCEED, number=1), "^`proceed` must not come from store"),
    ],
)
def test_what_a_store_must_not_send(message, reason):
    headquarters, _ = opened()
    with pytest.raises(PeerFault, match=reason):
        headquarters.receive(message, 0.0)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (framed(Kind.RESULT, number=1, size=0), "^A result must not come before the store has"),
        (framed(Kind.FAILED, number=1, code=1, reason=""), "^A failure must answer a call"),
    ],
)
def test_an_answer_before_the_call_was_sent(message, reason):
    headquarters, _ = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    with pytest.raises(PeerFault, match=reason):
        headquarters.receive(message, 0.0)


_MIB = MAX_BODY_BYTES
_ANNOUNCED = framed(Kind.RESULT, number=1, size=_MIB + 5)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (
            [framed(Kind.RESULT, bytes(2), number=1, size=1)],
            "of 1 bytes must come in one frame",
        ),
        (
            [framed(Kind.RESULT, number=1, size=2)],
            "^A result of 2 bytes must come in one frame$",
        ),
        (
            [framed(Kind.RESULT, bytes(_MIB), number=1, size=_MIB)],
            "^A result of 1048576 bytes must wait for `proceed`$",
        ),
        (
            [_ANNOUNCED, framed(Kind.PART, bytes(MIN_PART_BYTES - 1), number=1)],
            "must have at least 32768 bytes, has 32767$",
        ),
        (
            [
                _ANNOUNCED,
                framed(Kind.PART, bytes(_MIB), number=1),
                framed(Kind.PART, bytes(6), number=1),
            ],
            "^A body must have the 1048581 bytes it declared, has more$",
        ),
        (
            [framed(Kind.RESULT, number=1, size=0)] * 2,
            "^A result must answer a call that has no",
        ),
        ([_ANNOUNCED, _ANNOUNCED], "^A result must answer a call that has no"),
        (
            [framed(Kind.RESULT, number=1, size=2**30)],
            "^A body must have at most 10000000 bytes",
        ),
    ],
)
def test_results_that_are_not_what_they_declare(messages, reason):
    headquarters, _ = opened(max_transfer_bytes=10_000_000)
    headquarters.open(Kind.CALL, CALL, [b""])
    headquarters.next_message()
    for message in messages[:-1]:
        for event in headquarters.receive(message, 0.0):
            if isinstance(event, ResultAnnounced):
                headquarters.proceed(event.number)
    with pytest.raises(PeerFault, match=reason):
        headquarters.receive(messages[-1], 0.0)


def test_a_declared_size_takes_no_memory_by_itself():
    headquarters, _ = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    headquarters.next_message()
    before = psutil.Process().memory_info().rss
    headquarters.receive(framed(Kind.RESULT, number=1, size=2**31 - 1), 0.0)
    headquarters.proceed(1)
    headquarters.receive(framed(Kind.PART, bytes(MIN_PART_BYTES), number=1), 0.0)
    assert psutil.Process().memory_info().rss - before < 100_000_000


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (
            [framed(Kind.CALL, number=n, size=0, method="m") for n in (2, 2)],
            "^Numbers must count upwards, 2 came after 2$",
        ),
        (
            [framed(Kind.CALL, number=n, size=0, method="m") for n in range(1, 6)],
            "^At most 4 calls may be unanswered$",
        ),
        ([framed(Kind.CANCEL, number=1)], "^A cancel must name a call that was made$"),
        ([framed(Kind.PROCEED, number=1)], "^A proceed must name a result that was announced"),
        (
            [
                framed(Kind.CALL, number=1, size=0, method="m"),
                framed(Kind.PROCEED, number=1),
            ],
            "^A proceed must name a result that was announced, once$",
        ),
        (
            [framed(Kind.CONTENT, number=1, size=2_000_000, digest=DIGEST)],
            "^At most 1500000 bytes may be on their way, `content` brings 2000000 more$",
        ),
        ([framed(Kind.WANT, manifest=DIGEST, digests=[])], "^`want` must not come from"),
    ],
)
def test_what_headquarters_must_not_send(messages, reason):
    _, store = opened(max_calls=4, max_receiving_bytes=1_500_000)
    for message in messages[:-1]:
        store.receive(message, 0.0)
    with pytest.raises(PeerFault, match=reason):
        store.receive(messages[-1], 0.0)


def test_what_this_end_must_not_do():
    headquarters, store = opened(max_calls=1)
    with pytest.raises(LocalFault, match="^`hello` must not be sent by store while the link is"):
        store.send(HELLO)
    with pytest.raises(LocalFault, match="^`call` has a method of its own$"):
        headquarters.send(Frame(Kind.CALL, {"number": 1, "size": 0, **CALL}))
    with pytest.raises(LocalFault, match="^`acknowledge` opens nothing$"):
        headquarters.open(Kind.ACKNOWLEDGE, {}, [])
    headquarters.open(Kind.CALL, CALL, [b""])
    with pytest.raises(LocalFault, match="^At most 1 calls may be unanswered$"):
        headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(1, [b"x"])
    with pytest.raises(LocalFault, match="^A call must be answered once, when all of it is there$"):
        store.answer(1, [b"x"])
    store.send(GOODBYE)
    with pytest.raises(LocalFault, match="while the link is closed$"):
        store.fail(1, 1, "")


def test_a_frame_that_breaks_the_table_is_not_queued():
    headquarters, _ = opened(max_calls=1)
    with pytest.raises(LocalFault, match="^`method` of `call`"):
        headquarters.open(Kind.CALL, {"method": "a/b"}, [b""])
    assert headquarters.has_room_for_a_call
    assert kinds(headquarters) == []


_sequences = st.lists(
    st.tuples(st.sampled_from(list(Kind)), st.integers(0, 3), st.integers(0, 3), st.binary()),
    max_size=20,
)


@hypothesis.given(_sequences, st.booleans())
def test_any_sequence_of_frames_is_taken_or_a_fault(sequence, is_store):
    headquarters, store = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    end = store if is_store else headquarters
    for kind, number, size, body in sequence:
        header = {"number": number, "size": size, "method": "m", "digest": DIGEST, "run": "r"}
        header |= {"round": 1, "code": 1, "reason": "", "manifest": DIGEST, "digests": []}
        header |= {"name": "m", "signature": "", "examples": {}, "sentence": ""}
        try:
            end.receive(_any_message(kind, header, body), 0.0)
        except PeerFault:
            return


def _any_message(kind, header, body):
    chosen = {name: header[name] for name in FRAMES[kind].fields if name in header}
    text = json.dumps(chosen).encode()
    return struct.pack(">BI", kind, len(text)) + text + body
