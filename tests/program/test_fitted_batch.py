"""Which batch size is found, kept, and halved; memory and steps are told by the test."""

import math

import pytest

from tff_retail.program.fitted_batch import FittedBatch
from tff_retail.program.process_memory import ProcessMemory

STEP_BYTES = 100  # an example


class _Memory(ProcessMemory):
    """A process of 1000 bytes, and a step's share for each of its examples."""

    def __init__(self, room: int) -> None:
        self.room, self.peak = room, 1000
        self.tried: list[int] = []

    def used_bytes(self):
        return 1000

    def peak_bytes(self):
        return self.peak

    def forget_peak(self):
        self.peak = 1000

    def room_bytes(self):
        return self.room

    def step(self, size):
        """A second an example, and out of memory from beyond the room on."""
        self.tried.append(size)
        self.peak = max(self.peak, 1000 + STEP_BYTES * size)
        return None if STEP_BYTES * size > self.room else float(size)


@pytest.fixture
def said():
    return []


@pytest.fixture
def make(tmp_path, said):
    def make(wanted="auto", most=32, was_killed=False):
        path = tmp_path / "measured" / "digest.json"
        return FittedBatch(path, most=most, wanted=wanted, was_killed=was_killed, say=said.append)

    return make


def _measured(batch, memory, max_step_s=math.inf):
    batch.measure(memory.step, memory, max_step_s=max_step_s)
    return batch.size


@pytest.mark.parametrize(
    "room, max_step_s, most, size",
    [
        (10**6, math.inf, 32, 32),
        (10**6, math.inf, 24, 24),  # no power of two, but the run's
        (1000, math.inf, 32, 8),
        (999, math.inf, 32, 4),  # a fifth is left to others
        (10**6, 9.0, 32, 8),
        (10**6, 0.5, 32, 1),  # less than one is no training
        (1, math.inf, 32, 1),
        (10**6, math.inf, 1, 1),
    ],
)
def test_the_largest_that_fits_is_found(make, room, max_step_s, most, size):
    assert _measured(make(most=most), _Memory(room), max_step_s) == size


def test_no_step_is_tried_that_would_not_fit(make):
    memory = _Memory(1000)
    _measured(make(), memory)
    assert memory.tried == [1, 1, 2, 4, 8]


def test_it_is_measured_once_for_a_bound(make, said):
    assert make().size is None
    _measured(make(), _Memory(1000))
    assert said == ["training takes 8 of the run's 32 examples at a time"]
    assert make().size == 8
    assert make(most=16).size is None
    assert make(wanted=16).size == 16


def test_a_bound_is_no_more_than_the_runs(make):
    assert (make(wanted=16).size, make(wanted=64).size, make(wanted=None).size) == (16, 32, 32)


def test_out_of_memory_halves_it_for_good(make, said):
    batch = make(wanted=16)
    assert batch.halve()
    assert (batch.size, make(wanted=16).size) == (8, 8)
    assert said == ["out of memory: training goes on with 8 examples at a time, which were 16"]
    assert [batch.halve() for _ in range(4)] == [True, True, True, False]
    assert batch.size == 1


def test_the_runs_own_is_never_halved(make, tmp_path):
    batch = make(wanted=None)
    with batch.at_work():
        assert not batch.halve()
    assert (batch.size, list(tmp_path.iterdir())) == (32, [])


@pytest.mark.parametrize("was_killed, size", [(True, 8), (False, 16)])
def test_a_process_that_was_killed_at_work_had_too_much(make, was_killed, size):
    with make(wanted=16).at_work():
        assert make(wanted=16, was_killed=was_killed).size == size
    assert make(wanted=16, was_killed=True).size == 16  # its work had ended, whatever it said


def test_a_process_that_was_killed_while_it_measured_need_not_measure_again(make):
    with make().at_work(8):
        assert make(was_killed=True).size == 4


@pytest.mark.parametrize("content", ["", "[]", "{", '{"wanted": "auto", "most": 32, "size": 64}'])
def test_a_broken_file_is_none(make, tmp_path, content):
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "digest.json").write_text(content)
    assert make().size is None
