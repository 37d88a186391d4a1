"""Blocks folded by several workers make the sum that one process makes, to the bit."""

import numpy as np
import pytest

from tests.runtime import fake_ray
from tff_retail.runtime import ray_collector, ray_workers, store
from tff_retail.runtime.plain_collector import Outcome, PlainCollector
from tff_retail.runtime.ray_collector import RayCollector
from tff_retail.runtime.ray_store import RayStore
from tff_retail.runtime.ray_workers import RayWorkers

# Sums of these in different orders are different float32 numbers.
VALUES = np.random.default_rng(1).normal(0, 1e4, 13).astype(np.float32)


class _ValueStore:
    """Gives its value times what is broadcast; the fourth one fails."""

    def __init__(self, number):
        self.name, self._value = f"store {number}", VALUES[number]

    def run(self, request):
        if self.name == "store 3":
            raise store.StoreFailed("store 3: its disk is full")
        assert (request.role, request.round_num, request.seed) == ("train", 4, 7)
        return store.WorkResult([self._value * request.broadcast[0]], {"value": 1.0}, 0.5)


class _Worker:
    def __init__(self, form):
        self._collector = PlainCollector(form, parallel_stores=1)
        self._stores = [_ValueStore(number) for number in range(len(VALUES))]

    def fold(self, role, numbers, *request):
        stores = [self._stores[number] for number in numbers]
        return self._collector.fold(stores, store.WorkRequest(role, *request))

    def work(self, role, number, *request):
        return self._stores[number].run(store.WorkRequest(role, *request))


@pytest.fixture(autouse=True)
def ray(monkeypatch):
    ray = fake_ray.FakeRay()
    for module in (ray_workers, ray_collector):
        monkeypatch.setattr(module, "import_ray", lambda: ray)
    return ray


def _request(factor=3.0):
    return store.WorkRequest("train", 4, 7, [np.float32(factor)])


@pytest.mark.parametrize("num_workers", [1, 3])
@pytest.mark.parametrize("dies_at", [None, 1])
def test_the_sum_is_that_of_one_process(float_sum_form, num_workers, dies_at):
    lives = iter([dies_at])
    workers = RayWorkers(
        lambda: fake_ray.Actor(_Worker(float_sum_form), dies_at=next(lives, None)), num_workers
    )
    plain = PlainCollector(float_sum_form, parallel_stores=1)
    numbers = [*range(12), 12]
    told = []
    collection = RayCollector(plain, workers).collect(
        [RayStore(f"store {number}", number, workers) for number in numbers],
        _request(),
        on_store_done=told.append,
    )
    expected = plain.collect([_ValueStore(number) for number in numbers], _request())
    assert collection.total[0].tobytes() == expected.total[0].tobytes()
    assert collection.outcomes == expected.outcomes
    assert collection.outcomes[3] == Outcome(
        "store 3", "store 3: its disk is full", {}, 0.0, code="work_failed"
    )
    assert sorted(outcome.store for outcome in told) == sorted(
        outcome.store for outcome in expected.outcomes
    )


def test_no_result_at_all_is_a_sum_over_nothing(float_sum_form):
    workers = RayWorkers(lambda: fake_ray.Actor(_Worker(float_sum_form)), 1)
    plain = PlainCollector(float_sum_form, parallel_stores=1)
    collection = RayCollector(plain, workers).collect([RayStore("store 3", 3, workers)], _request())
    assert collection.total == [0.0]
    assert collection.num_results == 0


def test_a_broadcast_is_sent_once(float_sum_form, ray):
    workers = RayWorkers(lambda: fake_ray.Actor(_Worker(float_sum_form)), 2)
    collector = RayCollector(PlainCollector(float_sum_form, parallel_stores=1), workers)
    stores = [RayStore(f"store {number}", number, workers) for number in range(10)]
    request = _request()
    for _attempt in range(2):
        collector.collect(stores, request)
    assert ray.num_put == 1
    first = collector.collect(stores[:1], request).total
    second = collector.collect(stores[:1], _request(6.0)).total
    assert ray.num_put == 2
    np.testing.assert_array_equal(second, 2 * np.asarray(first))


def test_a_store_asks_a_worker(float_sum_form):
    workers = RayWorkers(lambda: fake_ray.Actor(_Worker(float_sum_form)), 2)
    result = RayStore("store 2", 2, workers).run(_request())
    assert result.outputs == [VALUES[2] * np.float32(3)]
    with pytest.raises(store.StoreFailed, match="its disk is full"):
        RayStore("store 3", 3, workers).run(_request())
