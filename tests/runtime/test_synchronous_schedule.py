import pytest

from tff_retail import config
from tff_retail.runtime import cohort, plain_collector, roster, synchronous_schedule
from tff_retail.runtime.store import QuorumMissed

NAMES = [f"store {number}" for number in range(10)]


class _Store:
    def __init__(self, name):
        self.name = name


STORES = [_Store(name) for name in NAMES]


def _roster():
    return roster.SteadyRoster(STORES)


class _Round:
    """A round in which the stores of `failing` give nothing."""

    def __init__(self, failing):
        self._failing = failing
        self.requests, self.cohorts = [], []

    def broadcast(self, state):
        return [state, "broadcast"]

    def collect(self, asked, request, *, enough, on_store_done):
        self.enough = enough
        self.requests.append(request)
        self.cohorts.append([store.name for store in asked])
        outcomes = []
        for store in asked:
            failure = f"{store.name}: no disk" if store.name in self._failing else None
            outcomes.append(plain_collector.Outcome(store.name, failure, {}, 0.0))
            on_store_done(outcomes[-1])
        return plain_collector.Collection(["total"], tuple(outcomes))


def _schedule(overselect=0.0, **settings):
    defaults = {"participation": 0.3, "min_stores": 2, "seed": 1}
    return synchronous_schedule.SynchronousSchedule(
        config.ScheduleConfig(**{**defaults, **settings}), overselect=overselect
    )


def test_the_cohort_is_drawn_from_seed_round_and_attempt():
    for round_num in (1, 2):
        for attempt in (0, 1):
            found = _schedule().cohort(STORES, round_num, attempt)
            expected = cohort.draw_cohort(10, 3, seed=1, round_num=round_num, attempt=attempt)
            assert found == [STORES[position] for position in expected]


@pytest.mark.parametrize(
    "participation, min_stores, num_stores, size",
    [
        (1.0, 3, 10, 10),
        (0.3, 2, 10, 3),  # 0.3 * 10 is 3.0000000000000004 in floats
        (0.31, 2, 10, 4),
        (0.1, 3, 10, 3),
        (0.01, 1, 10, 1),
        (0.5, 3, 2, 2),
    ],
)
def test_a_cohort_is_the_share_rounded_up_and_the_quorum_at_least(
    participation, min_stores, num_stores, size
):
    schedule = _schedule(participation=participation, min_stores=min_stores)
    assert len(schedule.cohort(STORES[:num_stores], 1)) == size


@pytest.mark.parametrize(
    "overselect, num_stores, asked", [(0.5, 10, 5), (0.34, 10, 5), (0.0, 10, 3), (4.0, 10, 10)]
)
def test_over_selection_asks_more_than_the_round_wants(overselect, num_stores, asked):
    one_round = _Round(failing=[])
    schedule = _schedule(overselect)
    schedule.collect(one_round, "state", roster.SteadyRoster(STORES[:num_stores]), 4)
    assert (len(one_round.cohorts[0]), one_round.enough) == (asked, 3)


class _Roster(roster.SteadyRoster):
    """Has the stores of each attempt in turn, and notes how they fared."""

    def __init__(self, *attempts):
        self._attempts, self.heeded = attempts, []

    def stores(self, round_num, attempt):
        return self._attempts[attempt]

    def heed(self, round_num, collection):
        self.heeded.append((round_num, collection.num_results))


def test_each_attempt_is_drawn_from_the_stores_that_are_there_then():
    there, asked = _Roster(STORES[:3], STORES[5:8]), []
    one_round = _Round(failing=NAMES[:2])
    schedule = _schedule(participation=1.0)
    collection = schedule.collect(one_round, "state", there, 4, on_asked=asked.append)
    assert one_round.cohorts == [NAMES[:3], NAMES[5:8]]
    assert collection.num_results == 3
    assert there.heeded == [(4, 1), (4, 3)]
    assert asked == [3, 3]


def test_a_round_that_has_its_quorum_is_collected_once():
    first = [store.name for store in _schedule().cohort(STORES, 4)]
    one_round, told = _Round(failing=first[:1]), []
    collection = _schedule().collect(one_round, "state", _roster(), 4, on_store_done=told.append)
    assert one_round.cohorts == [first]
    assert collection.num_results == 2
    assert told == list(collection.outcomes)
    (request,) = one_round.requests
    assert (request.role, request.round_num, request.seed) == ("train", 4, 1)
    assert request.broadcast == ["state", "broadcast"]


def test_another_cohort_is_asked_where_the_quorum_was_missed():
    schedule = _schedule()
    first, second = ([s.name for s in schedule.cohort(STORES, 4, attempt)] for attempt in (0, 1))
    assert first != second
    one_round = _Round(failing=set(first) - set(second))
    schedule.collect(one_round, "state", _roster(), 4)
    assert one_round.cohorts == [first, second]


def test_a_quorum_missed_again_and_again_names_who_is_missing():
    one_round = _Round(failing=NAMES)
    with pytest.raises(QuorumMissed) as missed:
        _schedule().collect(one_round, "state", _roster(), 4)
    assert len(one_round.cohorts) == synchronous_schedule.MAX_ATTEMPTS == 3
    assert len({tuple(names) for names in one_round.cohorts}) == 3
    names = one_round.cohorts[-1]
    assert str(missed.value) == (
        "Round 4 needs results of 2 stores and had 0 in the last of 3 attempts; missing: "
        + "; ".join(f"{name}: no disk" for name in names)
    )
