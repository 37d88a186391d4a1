import pytest

from tff_retail.runtime import session_pool, store


class _Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_a_session_is_made_where_all_are_lent():
    pool = session_pool.SessionPool(_Session)
    with pool.session() as first, pool.session() as second:
        assert (first.number, second.number) == (0, 1)
    with pool.session() as one, pool.session() as other:
        assert {one, other} == {first, second}


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
