"""How many stores of a cohort are at work at once, from its first to its last."""

import concurrent.futures
import threading

import pytest

from tff_retail.runtime.store import WorkStopped
from tff_retail.runtime.store_slots import StoreSlots


class _Gate:
    """Stores that work until they are told to end, one after the other."""

    def __init__(self, num_stores, parallel, at_end):
        self.slots = StoreSlots(num_stores, parallel=parallel, parallel_at_end=at_end)
        self._changed = threading.Condition()
        self._working, self._may_end = 0, 0

    def work(self):
        with self.slots.slot(), self._changed:
            self._working += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_end > 0)
            self._may_end -= 1
            self._working -= 1
            self._changed.notify_all()

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self._working == count, timeout=30)

    def end_one(self):
        with self._changed:
            self._may_end += 1
            self._changed.notify_all()


@pytest.mark.parametrize(
    ("num_stores", "parallel", "at_end", "at_work"),
    [
        (5, 2, 3, [2, 2, 3, 2, 1]),  # the third starts alone, for two more wait then
        (4, 2, 3, [2, 3, 2, 1]),
        (3, 2, 3, [3, 2, 1]),
        (5, 2, 2, [2, 2, 2, 2, 1]),
        (2, 1, 1, [1, 1]),
    ],
)
def test_the_last_stores_share_the_cores(num_stores, parallel, at_end, at_work):
    gate = _Gate(num_stores, parallel, at_end)
    with concurrent.futures.ThreadPoolExecutor(num_stores) as pool:
        futures = [pool.submit(gate.work) for _ in range(num_stores)]
        for count in at_work:
            gate.wait_for(count)
            gate.end_one()
        gate.wait_for(0)
        for future in futures:
            future.result(timeout=30)


def test_what_is_over_starts_no_store():
    gate = _Gate(2, 1, 1)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(gate.work) for _ in range(2)]
        gate.wait_for(1)
        gate.slots.close()
        gate.end_one()
        done = concurrent.futures.wait(futures, timeout=30).done
    errors = [future.exception() for future in done]
    assert sorted(type(error) for error in errors if error) == [WorkStopped]
    with pytest.raises(WorkStopped), gate.slots.slot():
        pass
