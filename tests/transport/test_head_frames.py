"""Heads of audit logs on the link: in version 2 alone, one for each acknowledgement."""

import pytest

from tests.transport.link_ends import DIGEST, HELLO, framed, move
from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import LocalFault, PeerFault
from tff_retail.transport.link_frames import Frame, Kind
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.store_protocol import StoreProtocol

_ACKNOWLEDGE = Frame(Kind.ACKNOWLEDGE, {"run": "run", "round": 3})
_FIELDS = {"log": DIGEST, "sequence": 7, "hash": DIGEST}
_HEAD = Frame(Kind.HEAD, _FIELDS)
_SIGNED = {"time": "2026-11-21T12:00:00Z", "signature": "c2ln", "certificates": ["bGVhZg=="]}
_COUNTERSIGNED = Frame(Kind.COUNTERSIGNED, {**_FIELDS, **_SIGNED})


def _opened(version):
    headquarters, store = HeadquartersProtocol(LinkLimits()), StoreProtocol(LinkLimits())
    store.send(HELLO)
    move(store, headquarters)
    headquarters.send(Frame(Kind.WELCOME, {"version": version, "session": "s1", "run": "run"}))
    move(headquarters, store)
    assert headquarters.version == store.version == version
    return headquarters, store


def test_a_head_answers_an_acknowledgement_and_a_signature_the_head():
    headquarters, store = _opened(2)
    for _ in range(3):
        headquarters.send(_ACKNOWLEDGE)
        move(headquarters, store)
        store.send(_HEAD)
        assert [event.header for event in move(store, headquarters)] == [_FIELDS]
        headquarters.send(_COUNTERSIGNED)
        (event,) = move(headquarters, store)
        assert event.header == _COUNTERSIGNED.header


def test_version_1_has_neither():
    headquarters, store = _opened(1)
    headquarters.send(_ACKNOWLEDGE)
    move(headquarters, store)
    for end, frame in ((store, _HEAD), (headquarters, _COUNTERSIGNED)):
        with pytest.raises(LocalFault, match="is not in version 1 of the link"):
            end.send(frame)
    for end, frame in ((headquarters, _HEAD), (store, _COUNTERSIGNED)):
        with pytest.raises(PeerFault, match="is not in version 1 of the link"):
            end.receive(framed(frame.kind, **frame.header), 0.0)


def test_a_head_that_nobody_asked_for_ends_the_link():
    headquarters, store = _opened(2)
    headquarters.send(_ACKNOWLEDGE)
    move(headquarters, store)
    store.send(_HEAD)
    store.send(_HEAD)
    with pytest.raises(PeerFault, match="must answer an acknowledgement"):
        move(store, headquarters)


def test_a_signature_that_nobody_asked_for_ends_the_link():
    _, store = _opened(2)
    with pytest.raises(PeerFault, match="must answer a head"):
        store.receive(framed(Kind.COUNTERSIGNED, **_COUNTERSIGNED.header), 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 0},
        {"hash": "x"},
        {"log": None},
        {"time": "yesterday"},
        {"time": "2026-11-21T12:00:00Z\n"},
        {"certificates": ["-----BEGIN"]},
        {"certificates": ["QQ=="] * 4},
        {"certificates": ["Q" * 9000]},
    ],
)
def test_what_is_no_head_or_signature_is_a_fault(changes):
    headquarters, store = _opened(2)
    with pytest.raises(LocalFault, match="."):
        headquarters.send(Frame(Kind.COUNTERSIGNED, {**_COUNTERSIGNED.header, **changes}))
        headquarters.next_message()
    assert store.version == 2
