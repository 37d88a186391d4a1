"""Both ends of a link that works, without a network, for tests of the protocol."""

import hashlib

from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_frames import (
    Frame,
    Kind,
    decode_frame,
    encode_frame,
)
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.store_protocol import StoreProtocol

HELLO = Hello(software="0.1", tensorflow="2.14", python="3.11").to_frame()
WELCOME = Frame(Kind.WELCOME, {"version": 1, "session": "s1", "run": "run"})
GOODBYE = Frame(Kind.GOODBYE, {"reason": "the end"})
DIGEST = hashlib.sha256(b"").hexdigest()
CALL = {"method": "Compute"}


def move(source, target, most=10_000, now_s=0.0):
    """What comes of moving at most `most` messages."""
    events = []
    for _ in range(most):
        if (message := source.next_message()) is None:
            break
        events += target.receive(message, now_s)
    return events


def opened(**limits):
    """Two ends of a link that works."""
    headquarters = HeadquartersProtocol(LinkLimits(**limits))
    store = StoreProtocol(LinkLimits(**limits))
    store.send(HELLO)
    assert [event.kind for event in move(store, headquarters)] == [Kind.HELLO]
    headquarters.send(WELCOME)
    assert [event.kind for event in move(headquarters, store)] == [Kind.WELCOME]
    return headquarters, store


def framed(kind, body=b"", **header):
    return encode_frame(Frame(kind, header, [body]))


def kinds(protocol):
    """The kinds of all that waits to be sent."""
    kinds = []
    while (message := protocol.next_message()) is not None:
        kinds.append(decode_frame(message).kind)
    return kinds


def require_a_call_works(headquarters, store):
    """A call over these ends gets its answer."""
    number = headquarters.open(Kind.CALL, CALL, [b"on"])
    (call,) = move(headquarters, store)
    assert bytes(call.view) == b"on"
    store.answer(number, [b"yes"])
    assert bytes(move(store, headquarters)[-1].view) == b"yes"
