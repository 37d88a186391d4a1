"""Calls that end before their answer is there, at both ends of the link."""

from tests.transport.link_ends import (
    CALL,
    kinds,
    move,
    opened,
    require_a_call_works,
)
from tff_retail.transport.link_frames import (
    MAX_BODY_BYTES,
    Kind,
    decode_frame,
)
from tff_retail.transport.link_protocol import ResultAnnounced


def test_a_cancelled_call_ends_at_both_ends():
    headquarters, store = opened(max_calls=1)
    number = headquarters.open(Kind.CALL, CALL, [b"x"])
    move(headquarters, store)
    headquarters.cancel(number)
    assert not headquarters.has_room_for_a_call  # until the store has agreed
    (cancel,) = move(headquarters, store)
    assert cancel.kind is Kind.CANCEL
    store.answer(number, [b"too late"])
    assert move(store, headquarters) == []
    assert headquarters.has_room_for_a_call


def test_a_call_cancelled_before_it_was_sent_is_never_sent():
    headquarters, _ = opened()
    number = headquarters.open(Kind.CALL, CALL, [b"x"])
    headquarters.cancel(number)
    assert kinds(headquarters) == []
    assert headquarters.has_room_for_a_call


def test_a_call_cancelled_in_mid_body():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [bytes(5 * MAX_BODY_BYTES)])
    assert move(headquarters, store, most=2) == []
    headquarters.cancel(number)
    (cancel,) = move(headquarters, store)
    assert cancel.kind is Kind.CANCEL
    assert move(store, headquarters) == []
    require_a_call_works(headquarters, store)


def test_a_result_cancelled_in_mid_body():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(number, [bytes(5 * MAX_BODY_BYTES)])
    assert move(store, headquarters) == [ResultAnnounced(number, 5 * MAX_BODY_BYTES)]
    headquarters.proceed(number)
    move(headquarters, store)
    assert move(store, headquarters, most=2) == []
    headquarters.cancel(number)
    move(headquarters, store, most=1)
    assert _kinds_moved(store, headquarters) == [Kind.FAILED]
    require_a_call_works(headquarters, store)


def _kinds_moved(source, target):
    kinds = []
    while (message := source.next_message()) is not None:
        kinds.append(decode_frame(message).kind)
        assert target.receive(message, 0.0) == []
    return kinds


def test_an_announced_result_that_nobody_wants_any_more():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(number, [bytes(5 * MAX_BODY_BYTES)])
    move(store, headquarters)
    headquarters.cancel(number)
    headquarters.proceed(number)  # room was found too late
    (cancel,) = move(headquarters, store)
    assert cancel.kind is Kind.CANCEL
    assert _kinds_moved(store, headquarters) == [Kind.FAILED]
    require_a_call_works(headquarters, store)


def test_a_result_that_failed_while_room_was_found():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(number, [bytes(5 * MAX_BODY_BYTES)])
    move(store, headquarters)
    headquarters.proceed(number)
    store.fail(number, 13, "broken")
    assert move(headquarters, store) == []
    (failed,) = move(store, headquarters)
    assert failed.kind is Kind.FAILED
    require_a_call_works(headquarters, store)


def test_a_result_that_was_complete_when_the_cancel_came():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(number, [b"result"])
    on_its_way = store.next_message()
    headquarters.cancel(number)
    assert move(headquarters, store) == []
    assert headquarters.receive(on_its_way, 0.0) == []
    require_a_call_works(headquarters, store)


def test_a_failure_in_mid_body_ends_the_body():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [bytes(5 * MAX_BODY_BYTES)])
    move(headquarters, store, most=2)
    store.fail(number, 7, "no")
    (failed,) = move(store, headquarters)
    assert failed.header == {"number": number, "code": 7, "reason": "no"}
    assert _kinds_moved(headquarters, store) == [Kind.CANCEL]
    require_a_call_works(headquarters, store)


def test_a_failure_after_part_of_the_result():
    headquarters, store = opened()
    number = headquarters.open(Kind.CALL, CALL, [b""])
    move(headquarters, store)
    store.answer(number, [bytes(5 * MAX_BODY_BYTES)])
    move(store, headquarters)
    headquarters.proceed(number)
    move(headquarters, store)
    assert move(store, headquarters, most=2) == []
    store.fail(number, 13, "broken")
    (failed,) = move(store, headquarters)
    assert failed.kind is Kind.FAILED
    require_a_call_works(headquarters, store)
