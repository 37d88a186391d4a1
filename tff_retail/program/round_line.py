"""What a round tells on the console, in one line, with units."""

import dataclasses
import datetime
from collections.abc import Mapping

_MINUTE_S = 60
_HOUR_S = 60 * _MINUTE_S
_DAY_S = 24 * _HOUR_S
# A store's name may have 200 characters; a line should not be one name.
_MAX_NAME_CHARACTERS = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoundLine:
    """One finished round.

    Attributes:
      round_num, rounds: this round, from 1, and how many there will be at most.
      stores_done, stores_asked: stores whose update came in, and the cohort's size.
      train_loss, train_top_1: of training, weighted by examples; None where unknown.
      eval_loss, eval_top_1: of federated evaluation; None in rounds without one.
      worst_store, worst_top_1: the store with the lowest accuracy; None where unknown.
      seconds: what the round's time went into, by name (`stores`, `merge`, …).
      eta_s: seconds until the run ends, estimated; None where unknown.
    """

    round_num: int
    rounds: int
    stores_done: int
    stores_asked: int
    train_loss: float | None = None
    train_top_1: float | None = None
    eval_loss: float | None = None
    eval_top_1: float | None = None
    worst_store: str | None = None
    worst_top_1: float | None = None
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    eta_s: float | None = None

    def text(self) -> str:
        """The round's line, without the estimated end."""
        width = len(str(self.rounds))
        parts = (
            f"round {self.round_num:{width}}/{self.rounds}",
            f"{self.stores_done}/{self.stores_asked} stores",
            _metrics("train", self.train_loss, self.train_top_1),
            _metrics("eval", self.eval_loss, self.eval_top_1) + self._worst(),
            self._time_split(),
        )
        return " | ".join(part for part in parts if part)

    def estimated_end(self, now: datetime.datetime) -> str:
        """How long the run still takes and when it ends, or nothing where that is unknown.

        Args:
          now: the time at which the round finished, local.
        """
        if self.eta_s is None or self.round_num >= self.rounds:
            return ""
        end = now + datetime.timedelta(seconds=self.eta_s)
        moment = f"{end:%H:%M}" if self.eta_s < _DAY_S else f"{end:%d %b %H:%M}"
        return f"{_duration(self.eta_s)} left, ends {moment}"

    def _worst(self) -> str:
        if self.worst_store is None:
            return ""
        name = " ".join(self.worst_store.split())
        if len(name) > _MAX_NAME_CHARACTERS:
            name = name[: _MAX_NAME_CHARACTERS - 3] + "..."
        top_1 = "" if self.worst_top_1 is None else f" {_percent(self.worst_top_1)}"
        return f", worst {name}{top_1}"

    def _time_split(self) -> str:
        if not self.seconds:
            return ""
        split = ", ".join(
            f"{name} {seconds:.1f}" for name, seconds in self.seconds.items() if seconds >= 0.05
        )
        return f"{sum(self.seconds.values()):.1f} s" + (f": {split}" if split else "")


def _metrics(name: str, loss: float | None, top_1: float | None) -> str:
    parts = []
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if top_1 is not None:
        parts.append(f"top-1 {_percent(top_1)}")
    return " ".join([name, *parts]) if parts else ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
