import concurrent.futures
import itertools
import threading

import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail.runtime import plain_collector, round_form, store

PROMPT_S = 30
REQUEST = store.WorkRequest("train", 1, 0, [])
# Five sums of these in five orders are five different float32 numbers.
VALUES = [np.float32(v) for v in (1e8, 1.0, -1e8, 3.14159, 2.71828)]


class _Store:
    """Gives `outputs`, once `ready`."""

    def __init__(self, name, outputs, ready=None, failure=None):
        self.name = name
        self._outputs = outputs
        self._ready = ready
        self._failure = failure

    def run(self, request):
        assert request is REQUEST
        if self._ready is not None:
            assert self._ready.wait(PROMPT_S)
        if self._failure is not None:
            raise self._failure
        return store.WorkResult(self._outputs, {"value": 1.0}, 0.5)


def _cohort(values):
    return [_Store(f"store {number}", [value]) for number, value in enumerate(values)]


def _collect(form, cohort, parallel_stores=1, **arguments):
    collector = plain_collector.PlainCollector(form, parallel_stores=parallel_stores)
    try:
        return collector.collect(cohort, REQUEST, **arguments)
    finally:
        collector.close()


@pytest.mark.parametrize("parallel_stores", [1, 2, 4])
def test_the_sum_is_that_of_the_tree_to_the_bit(float_sum_form, parallel_stores):
    a, b, c, d, e = VALUES
    expected = ((a + b) + (c + d)) + e
    assert expected != ((((a + b) + c) + d) + e)
    collection = _collect(float_sum_form, _cohort(VALUES), parallel_stores)
    (total,) = collection.total
    assert total.tobytes() == expected.tobytes()
    assert collection.num_results == 5
    assert collection.outcomes[4] == plain_collector.Outcome("store 4", None, {"value": 1.0}, 0.5)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::17])
def test_the_sum_does_not_depend_on_who_answers_first(float_sum_form, order):
    ready = [threading.Event() for _ in VALUES]
    cohort = [
        _Store(str(position), [value], ready[position]) for position, value in enumerate(VALUES)
    ]
    told = []

    def let_the_next_one(outcome):
        told.append(int(outcome.store))
        if len(told) < len(order):
            ready[order[len(told)]].set()

    ready[order[0]].set()
    (total,) = _collect(float_sum_form, cohort, 5, on_store_done=let_the_next_one).total
    assert told == list(order)
    a, b, c, d, e = VALUES
    assert total.tobytes() == (((a + b) + (c + d)) + e).tobytes()


def test_a_store_that_failed_is_passed_over_and_named(float_sum_form):
    cohort = _cohort(VALUES)
    cohort[1] = _Store("store 1", None, failure=store.StoreFailed("store 1: no disk"))
    told = []
    collection = _collect(float_sum_form, cohort, 2, on_store_done=told.append)
    a, _, c, d, e = VALUES
    assert collection.total[0].tobytes() == ((a + (c + d)) + e).tobytes()
    assert collection.num_results == 4
    assert collection.outcomes[1] == plain_collector.Outcome(
        "store 1", "store 1: no disk", {}, 0.0, code="work_failed"
    )
    assert sorted(told, key=lambda outcome: outcome.store) == list(collection.outcomes)


def test_no_result_at_all_sums_to_zero(float_sum_form):
    failed = _Store("store 0", None, failure=store.StoreFailed("store 0: no disk"))
    assert _collect(float_sum_form, [failed]).total == [0.0]
    assert _collect(float_sum_form, []).total == [0.0]


class _Mistake(Exception):
    pass


@pytest.mark.parametrize("error", [store.WorkStopped("stopped"), _Mistake()])
def test_what_ends_a_run_ends_it_without_the_stores_at_work(float_sum_form, error):
    late, told = threading.Event(), []
    before = set(threading.enumerate())
    cohort = [
        _Store("at work", [VALUES[0]], ready=late),
        _Store("stopped", None, failure=error),
        _Store("hardly asked", [VALUES[0]], ready=late),
    ]
    collector = plain_collector.PlainCollector(float_sum_form, parallel_stores=2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(collector.collect, cohort, REQUEST, on_store_done=told.append)
        with pytest.raises(type(error)):
            running.result(PROMPT_S)
    late.set()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("store"):
            thread.join(PROMPT_S)
    assert told == []
    collector.close()


@pytest.fixture(scope="module")
def secure_form(compile_next) -> round_form.RoundForm:
    """All kinds of secure sums of a vector and a number, beside a sum in the open."""
    vector = tff.TensorType(np.int32, [2])
    modular_sum = tff.backends.mapreduce.federated_secure_modular_sum

    @tff.federated_computation(
        tff.FederatedType(np.int32, tff.SERVER),
        tff.FederatedType((vector, np.int64, np.int32), tff.CLIENTS),
    )
    def next_computation(state, value):
        return state, (
            tff.federated_secure_sum_bitwidth(value[0], 8),
            tff.federated_secure_sum(value[1], 100),
            modular_sum(value[0], 7),
            modular_sum(value[2], 2**31 - 1),
            tff.federated_sum(value[1]),
        )

    return compile_next(next_computation)


STORES = [([1, 2], 3, 2**31 - 2), ([-9, 200], 40, 2**31 - 2), ([5, 6], 50, -1)]


def _secure_cohort(form, stores=STORES):
    """Stores that give what `work` would give."""
    by_path = ["0/0", "1/0", "2/0", "3/0", "3/1"]
    assert [leaf.path for leaf in form["work"].result] == by_path
    cohort = []
    for vector, number, large in stores:
        vector, number = np.array(vector, np.int32), np.int64(number)
        cohort.append(_Store("a", [number, vector, number, vector, np.int32(large)]))
    return cohort


@pytest.mark.parametrize("parallel_stores", [1, 3])
def test_secure_sums_are_exact(secure_form, parallel_stores):
    total = _collect(secure_form, _secure_cohort(secure_form), parallel_stores).total
    in_the_open, bitwidth, bounded, modular, large = total
    assert in_the_open == 93
    np.testing.assert_array_equal(bitwidth, [-3, 208])
    assert bounded == 93
    np.testing.assert_array_equal(modular, [-3 % 7, 208 % 7])
    assert large == (2 * (2**31 - 2) - 1) % (2**31 - 1)
    assert [value.dtype.name for value in total] == ["int64", "int32", "int64", "int32", "int32"]


def test_one_store_alone_is_reduced_by_its_modulus(secure_form):
    total = _collect(secure_form, _secure_cohort(secure_form, STORES[1:2])).total
    np.testing.assert_array_equal(total[3], [-9 % 7, 200 % 7])


def test_secure_sums_of_no_store_are_zero(secure_form):
    total = _collect(secure_form, []).total
    assert [value.tolist() for value in map(np.asarray, total)] == [0, [0, 0], 0, [0, 0], 0]
    assert [np.asarray(value).dtype.name for value in total[1:]] == ["int32", "int64"] + [
        "int32"
    ] * 2
