import hypothesis
import pytest
from hypothesis import strategies

from tff_retail.runtime.cohort_blocks import Block, cut_cohort
from tff_retail.runtime.merge_tree import MergeTree


def _folded(values):
    tree = MergeTree(len(values), lambda left, right: (left, right))
    for position, value in enumerate(values):
        if value is None:
            tree.skip(position)
        else:
            tree.put(position, value)
    return tree.total(None)


@hypothesis.settings(deadline=None, database=None)
@hypothesis.given(
    strategies.lists(strategies.one_of(strategies.none(), strategies.integers()), max_size=70),
    strategies.integers(1, 9),
    strategies.randoms(),
)
def test_blocks_folded_elsewhere_make_the_same_tree(values, num_workers, random):
    blocks = cut_cohort(len(values), num_workers)
    random.shuffle(blocks)
    tree = MergeTree(len(values), lambda left, right: (left, right))
    for block in blocks:
        part = _folded([values[position] for position in block.positions])
        if part is None:
            tree.skip(block.start, level=block.level)
        else:
            tree.put(block.start, part, level=block.level)
    assert tree.total(None) == _folded(values)


def test_large_blocks_first_and_single_stores_last():
    sizes = [block.num_positions for block in cut_cohort(50, 2)]
    assert sizes == [16, 16, 8, 4, 2, 2, 1, 1]


@pytest.mark.parametrize("num_positions", [1, 2, 5])
def test_every_worker_has_work_in_a_small_cohort(num_positions):
    assert cut_cohort(num_positions, 5) == [
        Block(position, 1, 0) for position in range(num_positions)
    ]


def test_no_store_makes_no_block():
    assert cut_cohort(0, 3) == []
