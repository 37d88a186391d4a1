import math

import hypothesis
import pytest
from hypothesis import strategies

from tff_retail.runtime import merge_tree


def _pair(left, right):
    return (left, right)


def _by_definition(present: list[bool], start: int, size: int):
    """The sum over `size` (a power of two) positions from `start`; None where nothing is."""
    if start >= len(present):
        return None
    if size == 1:
        return start if present[start] else None
    left = _by_definition(present, start, size // 2)
    right = _by_definition(present, start + size // 2, size // 2)
    if left is None or right is None:
        return left if right is None else right
    return (left, right)


@strategies.composite
def _cohorts(draw):
    present = draw(strategies.lists(strategies.booleans(), max_size=33))
    return present, draw(strategies.permutations(range(len(present))))


# Without a deadline, which a busy machine misses, and without a folder of examples in the clone.
@hypothesis.settings(deadline=None, database=None)
@hypothesis.given(_cohorts())
def test_the_sum_is_the_same_for_every_order_of_arrival(cohort):
    present, order = cohort
    tree = merge_tree.MergeTree(len(present), _pair)
    for position in order:
        if present[position]:
            tree.put(position, position)
        else:
            tree.skip(position)
    size = 1 << max(len(present) - 1, 0).bit_length()
    expected = _by_definition(present, 0, size)
    assert tree.total("nothing") == ("nothing" if expected is None else expected)


def test_a_cohort_of_five_without_the_third():
    tree = merge_tree.MergeTree(5, _pair)
    for position in (4, 1, 0, 3):
        tree.put(position, position)
    tree.skip(2)
    assert tree.total(None) == (((0, 1), 3), 4)


class _Counted:
    """A partial sum that knows how many of its kind are alive."""

    alive = 0

    def __init__(self):
        _Counted.alive += 1

    def __del__(self):
        _Counted.alive -= 1


@pytest.mark.parametrize("late", [[], [0], [0, 511, 300]])
def test_what_waits_is_a_sum_a_level_for_each_late_store(late: list[int]):
    num_leaves = 1000
    tree = merge_tree.MergeTree(num_leaves, lambda left, right: _Counted())
    most = 0
    for position in range(num_leaves):
        if position not in late:
            tree.put(position, _Counted())
            most = max(most, _Counted.alive)
    assert most <= (len(late) + 1) * math.ceil(math.log2(num_leaves)) + 1
    for position in late:
        tree.put(position, _Counted())
    assert _Counted.alive == 1
    del tree


def test_no_store_at_all_gives_nothing():
    assert merge_tree.MergeTree(0, _pair).total("nothing") == "nothing"


@pytest.mark.parametrize("position", [-1, 3])
def test_a_position_outside_the_cohort_is_refused(position: int):
    tree = merge_tree.MergeTree(3, _pair)
    with pytest.raises(ValueError, match=f"Position {position} is outside the cohort"):
        tree.put(position, 0)


def test_a_subtree_counts_as_its_positions():
    tree = merge_tree.MergeTree(7, _pair)
    tree.put(4, "4 to 6", level=2)
    tree.skip(2, level=1)
    tree.put(1, 1)
    tree.put(0, 0)
    assert tree.total(None) == ((0, 1), "4 to 6")


@pytest.mark.parametrize(("position", "level"), [(2, 2), (0, 3), (4, 0), (8, 2)])
def test_a_subtree_that_is_none_of_the_tree_is_refused(position: int, level: int):
    tree = merge_tree.MergeTree(6, _pair)
    tree.put(4, "4 and 5", level=2)
    with pytest.raises(ValueError, match=f"Position {position} is outside"):
        tree.put(position, "these", level=level)


def test_a_position_is_told_once():
    tree = merge_tree.MergeTree(3, _pair)
    tree.put(0, 0)
    with pytest.raises(ValueError, match="Position 0 .* told before"):
        tree.skip(0)


def test_a_total_waits_for_every_position():
    tree = merge_tree.MergeTree(3, _pair)
    tree.put(0, 0)
    tree.skip(2)
    with pytest.raises(ValueError, match="1 have not been told"):
        tree.total(None)
