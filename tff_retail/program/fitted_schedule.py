"""What a simulation with few stores makes of a schedule that asks for more."""

import dataclasses
from collections.abc import Callable

from tff_retail.config import ScheduleConfig


def fit_schedule(
    schedule: ScheduleConfig, num_stores: int, *, say: Callable[[str], None]
) -> ScheduleConfig:
    """A schedule that a simulation with so few stores can keep; says what it lowers."""
    fitted = dataclasses.replace(
        schedule,
        min_stores=min(schedule.min_stores, num_stores),
        min_available_stores=min(schedule.min_available_stores, num_stores),
    )
    if fitted != schedule:
        stores = "is 1 store" if num_stores == 1 else f"are {num_stores} stores"
        say(
            f"there {stores}, so --min_stores is {fitted.min_stores} and "
            f"--min_available_stores {fitted.min_available_stores} in this simulation"
        )
    return fitted
