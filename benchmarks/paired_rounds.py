"""Contenders of one workload, timed in turn on one machine.

All contenders are started and stay, idle but for the one whose turn it is. After rounds to warm
up, each repetition asks every contender for one round, in an order that rotates, so that a mood
of the machine or a neighbour's heat meets each alike. Ratios are taken within a repetition.
"""

import dataclasses
import multiprocessing.connection
import os
import pathlib
import re
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.contender_process import Contender, ContenderFailed, ContenderProcess

# An answer whose first byte is there is a line that is on its way.
_ANSWER_LIMIT_S = 10.0
# Long enough to see a loop that polls or spins.
_IDLE_LOOK_S = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """How long and how often.

    Attributes:
      repetitions: rounds of each contender that are timed, at most.
      min_repetitions: so many at least, whatever the time.
      warm_up_rounds: rounds before them that are not.
      budget_s: no further repetition begins after so much time in repetitions.
      ready_limit_s: a contender not ready by then is missing.
      round_limit_s: a contender whose round takes longer is missing.
    """

    repetitions: int = 7
    min_repetitions: int = 3
    warm_up_rounds: int = 2
    budget_s: float = 120.0
    ready_limit_s: float = 240.0
    round_limit_s: float = 90.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairedRounds:
    """What was timed.

    Attributes:
      images_per_second: of each contender that stayed to the end, by repetition.
      missing: why the others are not there.
      versions: of what ran.
      idle_load: cores that waiting contenders kept busy meanwhile, in all; near 0 if all is well.
    """

    images_per_second: Mapping[str, tuple[float, ...]]
    missing: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    idle_load: float


def run_paired_rounds(
    contenders: Sequence[Contender],
    arguments: Sequence[str],
    *,
    timing: Timing,
    log_dir: pathlib.Path,
    say: Callable[[str], None],
) -> PairedRounds:
    """Times the contenders; one that fails is missing, and nothing of any is left at the end.

    Args:
      contenders: their names differ.
      arguments: what each gets, such as `--workload`.
      timing: how long and how often.
      log_dir: gets a file of what each printed.
      say: told how it goes.
    """
    session = _Session(timing, say)
    try:
        session.start(contenders, arguments, log_dir)
        for _ in range(timing.warm_up_rounds):
            session.repetition(0)
        return session.timed_repetitions()
    finally:
        session.close()


class _Session:
    """The contenders that are there, and those that are not any more."""

    def __init__(self, timing: Timing, say: Callable[[str], None]) -> None:
        self._timing = timing
        self._say = say
        self._processes: dict[str, ContenderProcess] = {}
        self._missing: dict[str, str] = {}
        self._versions: dict[str, Mapping[str, str]] = {}

    def start(
        self, contenders: Sequence[Contender], arguments: Sequence[str], log_dir: pathlib.Path
    ) -> None:
        """Starts all, as many at a time as there are cores: more would time each other out."""
        waiting = list(contenders)
        deadlines: dict[str, float] = {}
        while waiting or deadlines:
            while waiting and len(deadlines) < len(os.sched_getaffinity(0)):
                contender = waiting.pop(0)
                if self._start(contender, arguments, log_dir / _file_name(contender.name)):
                    deadlines[contender.name] = time.monotonic() + self._timing.ready_limit_s
            if deadlines:
                self._wait_for_one(deadlines)

    def _start(self, contender: Contender, arguments: Sequence[str], log: pathlib.Path) -> bool:
        try:
            self._processes[contender.name] = ContenderProcess(contender, arguments, log=log)
        except ContenderFailed as failure:
            self._miss(contender.name, failure)
        return contender.name in self._processes

    def _wait_for_one(self, deadlines: dict[str, float]) -> None:
        """Waits until one is ready or late; takes it out of `deadlines`."""
        starting = {self._processes[name].fileno(): name for name in deadlines}
        left = min(deadlines.values()) - time.monotonic()
        readable = multiprocessing.connection.wait(list(starting), timeout=max(left, 0.0))
        now = time.monotonic()
        answered = {starting[file] for file in readable if isinstance(file, int)}
        late = {name for name, deadline in deadlines.items() if deadline <= now} - answered
        for name in answered | late:
            del deadlines[name]
            try:
                if name in late:
                    limit_s = self._timing.ready_limit_s
                    raise ContenderFailed(f"it was not ready after {limit_s:g} s")
                self._versions[name] = self._processes[name].wait_until_ready(_ANSWER_LIMIT_S)
                self._say(f"  {name}: ready")
            except ContenderFailed as failure:
                self._miss(name, failure)

    def repetition(self, number: int) -> dict[str, float]:
        """One round of each, in the order of repetition `number`: images a second by name."""
        names = list(self._processes)
        shift = number % max(len(names), 1)
        speeds = {}
        for name in [*names[shift:], *names[:shift]]:
            try:
                images, seconds = self._processes[name].train_round(self._timing.round_limit_s)
                speeds[name] = images / seconds
            except ContenderFailed as failure:
                self._miss(name, failure)
        return speeds

    def timed_repetitions(self) -> PairedRounds:
        """As many repetitions as the timing allows."""
        timing = self._timing
        repetitions: list[dict[str, float]] = []
        start = time.monotonic()
        while len(repetitions) < timing.repetitions and self._processes:
            is_late = time.monotonic() - start > timing.budget_s
            if is_late and len(repetitions) >= timing.min_repetitions:
                break
            repetitions.append(self.repetition(len(repetitions)))
            self._say(_speeds_text(len(repetitions), repetitions[-1]))
        speeds = {name: tuple(one[name] for one in repetitions) for name in self._processes}
        return PairedRounds(
            images_per_second=speeds,
            missing=dict(self._missing),
            versions=self._versions,
            idle_load=self._idle_load(),
        )

    def close(self) -> None:
        """Ends all of them."""
        for process in self._processes.values():
            process.close()

    def _idle_load(self) -> float:
        """Cores that the contenders keep busy while none has its turn."""
        before, start = self._cpu_seconds(), time.monotonic()
        time.sleep(_IDLE_LOOK_S)
        return (self._cpu_seconds() - before) / (time.monotonic() - start)

    def _cpu_seconds(self) -> float:
        return sum(process.cpu_seconds() for process in self._processes.values())

    def _miss(self, name: str, failure: ContenderFailed) -> None:
        self._say(f"  {name}: missing, {failure}")
        self._missing[name] = str(failure)
        process = self._processes.pop(name, None)
        if process is not None:
            process.close()


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + ".log"


def _speeds_text(number: int, speeds: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    return f"  repetition {number}, images/s: {told}"
