import hypothesis
import pytest
from hypothesis import strategies as st

from tff_retail.transport.receiving_budget import ReceivingBudget


class _Asked:
    """A reservation, and whether it was granted."""

    def __init__(self, budget, size):
        self.is_granted = False
        self.size = size
        self.reservation = budget.ask(size, self._grant)

    def _grant(self):
        assert not self.is_granted
        self.is_granted = True

    def release(self):
        self.reservation.release()


def _ask(budget, *sizes):
    return [_Asked(budget, size) for size in sizes]


def test_room_is_given_until_none_is_left():
    budget = ReceivingBudget(100)
    asked = _ask(budget, 60, 40, 1)
    assert [one.is_granted for one in asked] == [True, True, False]
    asked[1].release()
    assert asked[2].is_granted
    assert budget.held_bytes == 61


def test_a_large_one_is_not_passed_over():
    first, large, small = _ask(ReceivingBudget(100), 50, 80, 10)
    assert not large.is_granted and not small.is_granted
    first.release()
    assert large.is_granted and small.is_granted


def test_one_is_let_in_however_large():
    larger, small = _ask(ReceivingBudget(100), 1000, 1)
    assert larger.is_granted and not small.is_granted
    larger.release()
    assert small.is_granted


def test_who_stops_to_wait_makes_room_for_the_next():
    budget = ReceivingBudget(100)
    held, large, small = _ask(budget, 50, 80, 10)
    large.release()
    assert small.is_granted and not large.is_granted
    held.release()
    assert budget.held_bytes == 10


@pytest.mark.parametrize("times", [2, 3])
def test_a_second_release_does_nothing(times):
    budget = ReceivingBudget(100)
    _, other = _ask(budget, 30, 30)
    for _ in range(times):
        other.release()
    assert budget.held_bytes == 30


@hypothesis.given(st.lists(st.integers(1, 150), max_size=30), st.randoms())
def test_never_more_than_the_budget_unless_alone(sizes, random):
    budget = ReceivingBudget(100)
    asked = _ask(budget, *sizes)
    while asked:
        held = [one.size for one in asked if one.is_granted]
        assert held and budget.held_bytes == sum(held)
        assert sum(held) <= 100 or len(held) == 1
        released = random.choice(asked)
        released.release()
        asked.remove(released)
    assert budget.held_bytes == 0


def test_so_many_bodies_and_no_more():
    budget, granted = ReceivingBudget(1000, max_bodies=2), []
    held = [budget.ask(1, lambda n=n: granted.append(n)) for n in range(4)]
    assert granted == [0, 1]
    held[1].release()
    assert granted == [0, 1, 2]
    held[3].release()  # gives its place in the queue up
    held[0].release()
    assert (granted, budget.held_bytes) == ([0, 1, 2], 1)
