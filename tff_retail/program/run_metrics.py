"""What Prometheus reads of a run over real stores."""

import threading

from tff_retail.program.console import RoundConsole
from tff_retail.program.fleet_status import FleetStatus
from tff_retail.program.metrics_endpoint import metrics_text
from tff_retail.program.round_line import RoundLine


class RunMetrics:
    """A console that passes everything on and keeps the last round's numbers.

    Args:
      console: told what this one is told.
      status: of the fleet.
    """

    def __init__(self, console: RoundConsole, status: FleetStatus) -> None:
        self._console, self._status = console, status
        self._lock = threading.Lock()
        self._line: RoundLine | None = None
        self._num_missed = 0

    def say(self, text: str) -> None:
        """See `RoundConsole.say`."""
        self._console.say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """See `RoundConsole.progress`."""
        self._console.progress(what, done, total)

    def round_started(self, round_num: int, rounds: int) -> None:
        """See `RoundConsole.round_started`."""
        self._status.run_state("training", round=round_num, rounds=rounds)
        self._console.round_started(round_num, rounds)

    def store_done(self, done: int, asked: int) -> None:
        """See `RoundConsole.store_done`."""
        self._console.store_done(done, asked)

    def round_finished(self, line: RoundLine) -> None:
        """See `RoundConsole.round_finished`."""
        with self._lock:
            self._line = line
            self._num_missed += line.stores_asked - line.stores_done
        self._console.round_finished(line)

    def close(self) -> None:
        """See `RoundConsole.close`."""
        self._console.close()

    def text(self) -> str:
        """The metrics in Prometheus' text format."""
        known = self._status.to_json()["stores"]
        with self._lock:
            line, num_missed = self._line, self._num_missed
        ready = {name: float(bool(each.get("is_ready"))) for name, each in known.items()}
        last = {name: each["last_round"] for name, each in known.items() if "last_round" in each}
        took = {
            name: each["last_seconds"] for name, each in known.items() if "last_seconds" in each
        }
        return metrics_text(
            {
                "tff_retail_store_ready{store}": (
                    "1 where the store is connected and works.",
                    ready,
                ),
                "tff_retail_store_last_round{store}": ("Last round with a result of it.", last),
                "tff_retail_store_seconds{store}": ("Question to answer, seconds.", took),
                "tff_retail_results_missed": ("Results that did not come.", {"": num_missed}),
                **(_of_round(line) if line else {}),
            }
        )


def _of_round(line: RoundLine) -> dict[str, tuple[str, dict[str, float]]]:
    numbers = {
        "round": ("Last finished round.", line.round_num),
        "rounds": ("Rounds at most.", line.rounds),
        "stores_asked": ("Stores asked in the last round.", line.stores_asked),
        "stores_done": ("Stores whose result counted in the last round.", line.stores_done),
        "train_loss": ("Loss of training.", line.train_loss),
        "train_top_1": ("Accuracy of training.", line.train_top_1),
        "eval_loss": ("Loss of federated evaluation.", line.eval_loss),
        "eval_top_1": ("Accuracy of federated evaluation.", line.eval_top_1),
    }
    found: dict[str, tuple[str, dict[str, float]]] = {
        f"tff_retail_{name}": (text, {"": value})
        for name, (text, value) in numbers.items()
        if value is not None
    }
    seconds = ("Seconds of the last round.", dict(line.seconds))
    return {**found, "tff_retail_round_seconds{phase}": seconds}
