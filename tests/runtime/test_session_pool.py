import contextlib

import pytest

from tff_retail.runtime import session_pool, store


class _Session:
    def __init__(self, device: str) -> None:
        self.device = device
        self.is_closed = False

    def twin(self) -> "_Session":
        return _Session(self.device)

    def close(self) -> None:
        self.is_closed = True


def test_a_session_is_made_where_all_are_lent():
    pool = session_pool.SessionPool(_Session)
    with pool.session() as first, pool.session() as second:
        assert first is not second
        assert first.device == second.device == ""
    with pool.session() as one, pool.session() as other:
        assert {one, other} == {first, second}


def test_the_least_busy_device_lends():
    pool = session_pool.SessionPool(_Session, ["/GPU:0", "/GPU:1"])
    with contextlib.ExitStack() as all_work:
        lent = [contextlib.ExitStack() for _ in range(4)]
        four = [all_work.enter_context(each).enter_context(pool.session()) for each in lent]
        assert [each.device for each in four] == ["/GPU:0", "/GPU:1", "/GPU:0", "/GPU:1"]
        lent[1].close()
        lent[3].close()
        # Nothing is at work on the second GPU, whose sessions both lie idle.
        with pool.session() as fifth, pool.session() as sixth:
            assert {fifth, sixth} == {four[1], four[3]}


def test_no_more_sessions_are_made_than_work_at_once():
    made = []

    def make(device: str) -> _Session:
        made.append(device)
        return _Session(device)

    pool = session_pool.SessionPool(make, ["/GPU:0", "/GPU:1"])
    for _ in range(3):
        with pool.session():
            pass
    assert made == ["/GPU:0"]  # lent again, though the other device is as idle
    for _ in range(3):
        with pool.session(), pool.session(), pool.session():
            pass
    assert made == ["/GPU:0", "/GPU:1"]  # the third is a twin


def test_a_session_comes_back_from_work_that_failed():
    pool = session_pool.SessionPool(_Session)
    with pytest.raises(OSError), pool.session() as first:
        raise OSError
    with pool.session() as again:
        assert again is first


def test_closing_ends_lent_sessions_and_idle_ones_for_good():
    pool = session_pool.SessionPool(_Session)
    with pool.session() as lent:
        with pool.session() as idle:
            pass
        pool.close()
        assert lent.is_closed and idle.is_closed
    with pytest.raises(store.WorkStopped), pool.session():
        pass
