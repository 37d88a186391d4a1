import itertools

import pytest

from tests.runtime import fake_ray
from tff_retail.config import ConfigurationError
from tff_retail.runtime import ray_workers
from tff_retail.runtime.ray_workers import MAX_LOSSES, Call, RayWorkers, WorkersLost


class _Worker:
    def double(self, number):
        return 2 * number

    def fail(self, number):
        raise OSError(f"no disk under {number}")


@pytest.fixture(autouse=True)
def ray(monkeypatch):
    ray = fake_ray.FakeRay()
    monkeypatch.setattr(ray_workers, "import_ray", lambda: ray)
    return ray


def _workers(*lives, num_workers=2, check=lambda answer: None):
    """Workers that die before so many calls, one after the other; then such as live."""
    started = []
    coming = itertools.chain(lives, itertools.repeat(None))

    def start():
        started.append(fake_ray.Actor(_Worker(), dies_at=next(coming)))
        return started[-1]

    return RayWorkers(start, num_workers, check=check), started


def _run(workers, num_calls=5, method="double"):
    results = {}
    calls = [Call(method, (number,), f"store {number}") for number in range(num_calls)]

    def take(number, result):
        assert number not in results
        results[number] = result

    workers.run(calls, take)
    return results


EXPECTED = {number: 2 * number for number in range(5)}


def test_every_call_is_done_once():
    workers, started = _workers()
    assert _run(workers) == EXPECTED
    assert _run(workers, 0) == {}
    assert _run(workers) == EXPECTED
    assert len(started) == 2


@pytest.mark.parametrize("dies_at", [0, 1, 2])
def test_a_lost_call_is_done_by_another_and_its_worker_replaced(dies_at):
    workers, started = _workers(dies_at)
    assert _run(workers) == EXPECTED
    assert len(started) == (3 if started[0].is_killed else 2)
    assert _run(workers) == EXPECTED
    assert sum(not actor.is_killed for actor in started) == 2


def test_idle_workers_of_a_lost_node_are_replaced_before_a_call_is_lost_to_them():
    workers, started = _workers(num_workers=8)
    assert _run(workers, 8) == {number: 2 * number for number in range(8)}
    for actor in started[:7]:
        actor.is_killed = True
    assert _run(workers) == EXPECTED
    assert len(started) == 15


def test_a_call_that_kills_its_workers_ends_the_run_with_a_sentence():
    workers, _ = _workers(*[0] * 10, num_workers=1)
    with pytest.raises(WorkersLost) as error:
        _run(workers, 1)
    assert str(error.value) == (
        f"Ray lost the worker of store 0 {MAX_LOSSES + 1} times (the last time: its machine went "
        "away); start the same command again to go on, with more memory on the nodes or fewer "
        "--parallel_stores"
    )


def test_what_a_call_raises_is_raised_here():
    workers, started = _workers()
    with pytest.raises(OSError, match="no disk under"):
        _run(workers, method="fail")
    # Whoever was at work meanwhile is ended, so that the next calls get no old answers.
    assert _run(workers) == EXPECTED
    assert any(actor.is_killed for actor in started)


def test_a_worker_that_cannot_start_is_a_matter_of_the_nodes():
    class _Broken:
        def ready(self):
            raise fake_ray.ActorDied("Traceback\nNo module named x", actor_init_failed=True)

    workers = RayWorkers(lambda: fake_ray.Actor(_Broken()), 2)
    with pytest.raises(ConfigurationError, match="Every node .* found: No module named x"):
        _run(workers)


def test_workers_that_die_while_they_start_are_not_started_for_ever():
    class _Dying:
        def ready(self):
            raise fake_ray.ActorDied

    workers = RayWorkers(lambda: fake_ray.Actor(_Dying()), 2)
    with pytest.raises(WorkersLost, match="Ray lost 7 workers one after the other"):
        _run(workers)


def test_a_cluster_without_room_ends_the_run_with_a_sentence():
    workers = RayWorkers(lambda: fake_ray.Actor(_Worker(), never_starts=True), 2)
    with pytest.raises(WorkersLost, match="room for a worker, found none in 300 s"):
        _run(workers)


def test_some_workers_do_while_others_wait_for_room():
    pending = itertools.chain([True, False], itertools.repeat(True))
    workers = RayWorkers(lambda: fake_ray.Actor(_Worker(), never_starts=next(pending)), 3)
    assert _run(workers) == EXPECTED


def test_what_a_worker_says_of_itself_is_checked():
    def refuse(answer):
        raise ConfigurationError("no cache there")

    workers, _ = _workers(check=refuse)
    with pytest.raises(ConfigurationError, match="no cache there"):
        _run(workers)


def test_closed_workers_are_ended():
    workers, started = _workers()
    _run(workers)
    workers.close()
    workers.close()
    assert all(actor.is_killed for actor in started)
