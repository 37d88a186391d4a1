"""Parts that are packed on their way up: the same bytes, fewer of them, and no bomb."""

import tracemalloc
import zlib

import numpy as np
import pytest

from tests.transport.link_ends import CALL, HELLO, WELCOME, framed, kinds, move, opened
from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import MAX_BODY_BYTES, MIN_PART_BYTES, Frame, Kind
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import ResultAnnounced
from tff_retail.transport.packed_part import pack_part, unpack_part
from tff_retail.transport.store_protocol import StoreProtocol

_VALUES = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
_NIBBLES = np.clip(np.round(_VALUES * 2.5), -7, 7).astype(np.uint8) + 8
# What the figures of `packed_part` are about, drawn.
BFLOAT16 = (_VALUES.view(np.uint32) >> 16).astype(np.uint16).tobytes()
NIBBLES = (_NIBBLES[::2] + 16 * _NIBBLES[1::2]).tobytes()
INT8 = np.clip(np.round(_VALUES * 45), -127, 127).astype(np.int8).tobytes()


def _packed(body, size):
    return Frame(Kind.PACKED, {"number": 1, "size": size}, memoryview(body))


def _packing():
    """Both ends of a link that works, of which the store packs."""
    headquarters = HeadquartersProtocol(LinkLimits())
    store = StoreProtocol(LinkLimits(), pack=pack_part)
    store.send(HELLO)
    move(store, headquarters)
    headquarters.send(WELCOME)
    move(headquarters, store)
    return headquarters, store


@pytest.mark.parametrize(
    ("body", "most"), [(BFLOAT16, 0.85), (NIBBLES, 0.92), (bytes(70_000), 0.01)]
)
def test_what_packs_is_packed_and_comes_back(body, most):
    packed = pack_part([memoryview(body)[:100], memoryview(body)[100:]])
    assert packed is not None and len(packed) < most * len(body)
    part = unpack_part(_packed(packed, len(body)))
    assert (part.kind, part.header, bytes(part.view)) == (Kind.PART, {"number": 1}, body)


@pytest.mark.parametrize("body", [_VALUES.tobytes(), INT8, b"", b"x"])
def test_what_hardly_packs_stays_as_it_is(body):
    assert pack_part([memoryview(body)]) is None


def test_a_part_whose_sample_deceives_stays_as_it_is():
    noise = np.random.default_rng(1).bytes(MAX_BODY_BYTES // 2)
    assert pack_part([memoryview(noise + bytes(8192) + noise)]) is None


_SOUND = zlib.compress(bytes(1000))


@pytest.mark.parametrize(
    ("body", "size", "reason"),
    [
        (_SOUND, 999, "^A packed part must be whole and have the 999 bytes it declares$"),
        (_SOUND, 1001, "the 1001 bytes"),
        (_SOUND[:-1], 1000, "must be whole"),
        (_SOUND + b"more", 1000, "must be whole"),
        (_SOUND + _SOUND, 1000, "must be whole"),
        (b"", 1, "must be whole"),
        (b"no zlib", 1000, "^A packed part must be zlib's, found other bytes$"),
        (_SOUND[:-1] + b"?", 1000, "must be zlib's"),  # a wrong sum at its end
    ],
)
def test_what_is_not_as_it_declares_is_a_fault(body, size, reason):
    with pytest.raises(PeerFault, match=reason):
        unpack_part(_packed(body, size))


def test_a_bomb_takes_no_memory():
    bomb = zlib.compress(bytes(500 * MAX_BODY_BYTES), 9)
    assert len(bomb) < MAX_BODY_BYTES
    tracemalloc.start()
    with pytest.raises(PeerFault, match="must be whole"):
        unpack_part(_packed(bomb, MAX_BODY_BYTES))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_BODY_BYTES


@pytest.mark.parametrize("body", [BFLOAT16 * 3, NIBBLES, INT8, BFLOAT16 + INT8])
def test_a_result_is_the_same_packed_or_not(body):
    headquarters, store = _packing()
    headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(1, [body])
    (announced,) = move(store, headquarters)
    assert announced == ResultAnnounced(1, len(body))
    headquarters.proceed(1)
    move(headquarters, store)
    sent, events = 0, []
    while (message := store.next_message()) is not None:
        sent += len(message)
        events += headquarters.receive(message, 0.0)
    (result,) = events
    assert (result.kind, bytes(result.view)) == (Kind.RESULT, body)
    assert (sent < 0.95 * len(body)) == (body is not INT8)
    assert headquarters.has_room_for_a_call


def _proceeded(size):
    headquarters, _ = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    headquarters.next_message()
    headquarters.receive(framed(Kind.RESULT, number=1, size=size), 0.0)
    headquarters.proceed(1)
    return headquarters


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (bytes(MIN_PART_BYTES - 1), "must have at least 32768 bytes, has 32767$"),
        (bytes(MAX_BODY_BYTES), "^A body must have the 100000 bytes it declared, has more$"),
    ],
)
def test_the_rules_of_parts_hold_for_what_they_unpack_to(plain, reason):
    headquarters = _proceeded(100_000)
    message = framed(Kind.PACKED, zlib.compress(plain), number=1, size=len(plain))
    with pytest.raises(PeerFault, match=reason):
        headquarters.receive(message, 0.0)


def test_a_packed_part_of_nothing_is_not_even_unpacked():
    headquarters, _ = opened()
    with pytest.raises(PeerFault, match="^A packed part must belong to a body that is on its way$"):
        headquarters.receive(framed(Kind.PACKED, b"no zlib", number=1, size=5), 0.0)


def test_headquarters_sends_none():
    _, store = opened()
    with pytest.raises(PeerFault, match="^`packed` must not come from headquarters"):
        store.receive(framed(Kind.PACKED, _SOUND, number=1, size=1000), 0.0)


def test_a_store_without_a_packer_packs_nothing():
    headquarters, store = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(1, [bytes(200_000)])
    move(store, headquarters)
    headquarters.proceed(1)
    move(headquarters, store)
    assert kinds(store) == [Kind.PART] * 4


def test_a_large_result_comes_in_eight_parts_or_more_as_grpc_holds_each_once_more():
    headquarters, store = opened()
    headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(1, [bytes(4 * MAX_BODY_BYTES)])
    move(store, headquarters)
    headquarters.proceed(1)
    move(headquarters, store)
    assert kinds(store) == [Kind.PART] * 8
