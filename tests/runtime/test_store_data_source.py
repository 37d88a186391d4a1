import asyncio
import copy

import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail.runtime import cohort, store_data_source, store_in_round

NAMES = ["Bern", "Zürich", "西安"]
TYPE = tff.FederatedType(tff.SequenceType([("x", np.int64)]), tff.CLIENTS)


def _iterator():
    return store_data_source.StoreDataSource(NAMES, TYPE, seed=5).iterator()


def _expected(round_num: int, size: int) -> list[store_in_round.StoreInRound]:
    positions = cohort.draw_cohort(3, size, seed=5, round_num=round_num)
    return [store_in_round.StoreInRound(NAMES[position], round_num) for position in positions]


def test_each_selection_is_the_cohort_of_the_next_round():
    iterator = _iterator()
    assert [iterator.select(2) for _ in range(4)] == [_expected(n, 2) for n in (1, 2, 3, 4)]
    assert [turn.name for turn in iterator.select()] == NAMES


def test_iterators_begin_with_the_first_round():
    source = store_data_source.StoreDataSource(NAMES, TYPE, seed=5)
    source.iterator().select(2)
    assert source.iterator().select(2) == _expected(1, 2)
    assert source.federated_type == source.iterator().federated_type == TYPE


def test_a_copy_goes_on_alone():
    iterator = _iterator()
    iterator.select(2)
    other = copy.deepcopy(iterator)
    iterator.select(2)
    assert other.select(2) == _expected(2, 2)


def test_a_programs_state_keeps_the_round(tmp_path):
    iterator = _iterator()
    iterator.select(2)
    manager = tff.program.FileProgramStateManager(tmp_path)

    async def save_and_load():
        await manager.save([iterator], version=1)
        return await manager.load(1, [_iterator()])

    (loaded,) = asyncio.run(save_and_load())
    assert loaded.federated_type == TYPE
    assert loaded.select(2) == _expected(2, 2)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_there_must_be_as_many_stores_as_are_selected(k):
    with pytest.raises(ValueError, match=f"must be of 1 to 3 stores, found {k}"):
        _iterator().select(k)
