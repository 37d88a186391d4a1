"""Both ends of the link against each other, without a network."""

import hypothesis
import pytest
from hypothesis import stateful
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
    require_a_call_works,
)
from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import PeerFault
from tff_retail.transport.link_frames import (
    MAX_BODY_BYTES,
    MAX_UNASKED_BYTES,
    MIN_PART_BYTES,
    Frame,
    Kind,
    LinkState,
    decode_frame,
)
from tff_retail.transport.link_hello import highest_shared_version
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_protocol import ResultAnnounced
from tff_retail.transport.store_protocol import StoreProtocol

_MIB = MAX_BODY_BYTES


def test_both_ends_go_through_the_same_states():
    headquarters, store = HeadquartersProtocol(LinkLimits()), StoreProtocol(LinkLimits())
    assert (headquarters.state, store.state) == (LinkState.OPENING, LinkState.OPENING)
    store.send(HELLO)
    move(store, headquarters)
    assert (headquarters.state, store.state) == (LinkState.GREETED, LinkState.GREETED)
    headquarters.send(WELCOME)
    move(headquarters, store)
    assert (headquarters.state, store.state) == (LinkState.ATTENDING, LinkState.ATTENDING)
    store.send(GOODBYE)
    move(store, headquarters)
    assert (headquarters.state, store.state) == (LinkState.CLOSED, LinkState.CLOSED)


@pytest.mark.parametrize(
    "size", [0, 1, 65535, 65536, MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 3 * MAX_BODY_BYTES]
)
def test_a_call_and_its_result(size):
    headquarters, store = opened()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    number = headquarters.open(Kind.CALL, CALL, [body])
    (call,) = move(headquarters, store)
    assert (call.kind, call.header["method"], bytes(call.view)) == (Kind.CALL, "Compute", body)
    store.answer(number, [body, b"!"])
    if size >= MAX_UNASKED_BYTES:
        assert move(store, headquarters) == [ResultAnnounced(number, size + 1)]
        headquarters.proceed(number)
        assert move(headquarters, store) == []
    (result,) = move(store, headquarters)
    assert (result.kind, result.header["number"]) == (Kind.RESULT, number)
    assert bytes(result.view) == body + b"!"
    assert headquarters.has_room_for_a_call


def test_a_body_in_one_frame_is_one_frame():
    headquarters, _ = opened()
    headquarters.open(Kind.CALL, CALL, [bytes(MAX_BODY_BYTES)])
    assert kinds(headquarters) == [Kind.CALL]


def test_small_frames_overtake_bodies_and_bodies_take_turns():
    headquarters, _ = opened()
    headquarters.open(Kind.CALL, CALL, [bytes(3 * MAX_BODY_BYTES)])
    headquarters.open(Kind.MODEL, _model(), [bytes(2 * MAX_BODY_BYTES)])
    assert decode_frame(headquarters.next_message()).kind is Kind.CALL
    headquarters.send(Frame(Kind.ACKNOWLEDGE, {"run": "run", "round": 1}))
    expected = [Kind.ACKNOWLEDGE, Kind.MODEL, Kind.PART, Kind.PART, Kind.PART]
    assert kinds(headquarters) == expected


def _model():
    return {"name": "m", "digest": DIGEST, "signature": "c2ln"}


def test_the_size_of_parts_may_change_in_mid_body():
    sizes = iter([MIN_PART_BYTES, MAX_BODY_BYTES, MIN_PART_BYTES, MIN_PART_BYTES])
    headquarters = HeadquartersProtocol(LinkLimits(), part_bytes=lambda: next(sizes))
    _, store = opened()
    headquarters._state = LinkState.ATTENDING
    body = bytes(range(256)) * ((MAX_BODY_BYTES + MIN_PART_BYTES) // 256) + b"rest"
    headquarters.open(Kind.CALL, CALL, [body])
    messages = iter(headquarters.next_message, None)
    found = [store.receive(message, 0.0) for message in messages]
    assert [len(events) for events in found] == [0, 0, 1]
    assert bytes(found[-1][0].view) == body


def test_buffers_of_other_items_are_sent_as_bytes():
    headquarters, store = opened()
    headquarters.open(Kind.CALL, CALL, [memoryview(b"12345678").cast("i"), b"", b"9"])
    (call,) = move(headquarters, store)
    assert bytes(call.view) == b"123456789"


def test_a_store_takes_only_so_many_bytes_at_a_time():
    headquarters, store = opened(max_receiving_bytes=3 * MAX_BODY_BYTES)
    first = headquarters.open(Kind.CALL, CALL, [bytes(2 * MAX_BODY_BYTES)])
    move(headquarters, store)
    second = headquarters.open(Kind.CALL, CALL, [bytes(2 * MAX_BODY_BYTES)])
    assert move(headquarters, store) == []
    (failed,) = move(store, headquarters)
    assert (failed.header["number"], failed.header["code"]) == (second, 8)
    store.answer(first, [b""])
    move(store, headquarters)
    headquarters.open(Kind.CALL, CALL, [bytes(2 * MAX_BODY_BYTES)])
    (call,) = move(headquarters, store)
    assert call.view.nbytes == 2 * MAX_BODY_BYTES


def test_the_end_overtakes_all():
    headquarters, store = opened()
    headquarters.open(Kind.CALL, CALL, [bytes(9 * MAX_BODY_BYTES)])
    headquarters.send(Frame(Kind.ACKNOWLEDGE, {"run": "run", "round": 1}))
    headquarters.send(GOODBYE)
    (goodbye,) = move(headquarters, store)
    assert goodbye.header == {"reason": "the end"}
    assert store.receive(b"whatever comes then is not looked at", 0.0) == []


def test_who_reads_nothing_is_given_up():
    headquarters, _ = opened(max_waiting_frames=3)
    acknowledge = Frame(Kind.ACKNOWLEDGE, {"run": "run", "round": 1})
    for _ in range(3):
        headquarters.send(acknowledge)
    with pytest.raises(PeerFault, match="^The other end must read, 3 frames wait for it$"):
        headquarters.send(acknowledge)
    headquarters.send(GOODBYE)
    assert kinds(headquarters) == [Kind.GOODBYE]


def test_too_many_frames_in_a_time():
    headquarters, _ = opened(frames_per_second=2.0, frame_burst=5)
    ready = framed(Kind.READY, manifest=DIGEST, examples={})
    for _ in range(4):  # the hello was the fifth
        headquarters.receive(ready, 0.0)
    headquarters.receive(ready, 0.5)
    with pytest.raises(PeerFault, match="^At most 2 frames a second may come$"):
        headquarters.receive(ready, 0.6)


def test_parts_and_answers_are_not_counted_as_a_flood():
    headquarters, store = opened(frames_per_second=1.0, frame_burst=1)
    for _ in range(20):
        require_a_call_works(headquarters, store)


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [((1,), (1,), 1), ((1, 2, 3), (2, 3, 4), 3), ((2,), (1,), None), ((1,), (), None)],
)
def test_the_highest_shared_version(ours, theirs, version):
    assert highest_shared_version(ours, theirs) == version


class TwoEnds(stateful.RuleBasedStateMachine):
    """Whatever both ends do within their rules, neither finds a fault in the other."""

    def __init__(self):
        super().__init__()
        self.headquarters, self.store = opened(frame_burst=10_000)
        self.at_store: dict[int, int] = {}
        self.asked: dict[int, str] = {}

    @stateful.rule(size=st.sampled_from([0, 1, _MIB, 3 * _MIB + 1]))
    def call(self, size):
        if self.headquarters.has_room_for_a_call:
            number = self.headquarters.open(Kind.CALL, CALL, [bytes(size)])
            self.asked[number] = "open"

    @stateful.rule(data=st.data())
    def cancel(self, data):
        if self.asked:
            number = data.draw(st.sampled_from(sorted(self.asked)))
            if self.asked[number] == "open":
                self.asked[number] = "cancelled"
            self.headquarters.cancel(number)

    @stateful.rule(data=st.data(), size=st.sampled_from([0, 5, 2 * _MIB + 1]))
    def answer(self, data, size):
        if self.at_store:
            number = data.draw(st.sampled_from(sorted(self.at_store)))
            del self.at_store[number]
            self.store.answer(number, [bytes(size)])

    @stateful.rule(data=st.data())
    def fail(self, data):
        if self.asked:
            self.store.fail(data.draw(st.sampled_from(sorted(self.asked))), 13, "broken")

    @stateful.rule(count=st.integers(1, 6))
    def move_down(self, count):
        for event in move(self.headquarters, self.store, count):
            number = event.header["number"]
            if event.kind is Kind.CALL:
                self.at_store[number] = event.view.nbytes
            else:
                self.at_store.pop(number, None)

    @stateful.rule(count=st.integers(1, 6))
    def move_up(self, count):
        for event in move(self.store, self.headquarters, count):
            if isinstance(event, ResultAnnounced):
                self.headquarters.proceed(event.number)
            else:
                assert self.asked[event.header["number"]] == "open"
                self.asked[event.header["number"]] = "answered"

    def teardown(self):
        for _ in range(3):
            self.move_down(10_000)
            for number in list(self.at_store):
                del self.at_store[number]
                self.store.answer(number, [b""])
            self.move_up(10_000)
        assert "open" not in self.asked.values()
        assert self.headquarters._calls == self.store._calls == {}
        assert not self.headquarters._inbox._arriving and not self.store._inbox._arriving


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = hypothesis.settings(max_examples=60, stateful_step_count=30, deadline=None)
