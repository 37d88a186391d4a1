"""The hours of a day in which results may leave a store."""

import dataclasses
import datetime
import re

from tff_retail.privacy.policy_rule import require_policy

_HOURS = re.compile("([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAY_MIN = 24 * 60


@dataclasses.dataclass(frozen=True)
class OpenHours:
    """From one minute of the day to another, which is not in it; over midnight where it is less.

    Attributes:
      begin_min: minutes after midnight.
      end_min: likewise.
    """

    begin_min: int
    end_min: int

    @classmethod
    def parse(cls, text: str) -> "OpenHours":
        """The hours of `HH:MM-HH:MM`.

        Raises:
          ConfigurationError: it is none.
        """
        match = _HOURS.fullmatch(text)
        numbers = [int(each) for each in match.groups()] if match else [99, 99, 99, 99]
        begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        is_valid = max(numbers[1], numbers[3]) < 60 and begin < _DAY_MIN and end <= _DAY_MIN
        require_policy(is_valid and begin != end, "hours", "HH:MM-HH:MM, in 24 hours", text)
        return cls(begin, end)

    def has(self, time: datetime.datetime) -> bool:
        """Whether a local time is within them."""
        minute = time.hour * 60 + time.minute
        if self.begin_min < self.end_min:
            return self.begin_min <= minute < self.end_min
        return minute >= self.begin_min or minute < self.end_min
