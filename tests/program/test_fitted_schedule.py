"""A simulation with few stores lowers its quorum, and says so."""

import pytest

from tff_retail.config import ScheduleConfig
from tff_retail.program.fitted_schedule import fit_schedule

SCHEDULE = ScheduleConfig(min_stores=3, min_available_stores=5, rounds=7)


@pytest.mark.parametrize("num_stores", [5, 6, 1000])
def test_where_there_are_enough_nothing_changes(num_stores):
    said = []
    assert fit_schedule(SCHEDULE, num_stores, say=said.append) == SCHEDULE
    assert said == []


@pytest.mark.parametrize(
    "num_stores, min_stores, beginning",
    [(4, 3, "there are 4 stores"), (2, 2, "there are 2 stores"), (1, 1, "there is 1 store")],
)
def test_where_there_are_fewer_all_of_them_are_asked_for(num_stores, min_stores, beginning):
    said = []
    fitted = fit_schedule(SCHEDULE, num_stores, say=said.append)
    assert fitted == ScheduleConfig(
        min_stores=min_stores, min_available_stores=num_stores, rounds=7
    )
    assert said == [
        f"{beginning}, so --min_stores is {min_stores} and --min_available_stores {num_stores} in "
        "this simulation"
    ]
