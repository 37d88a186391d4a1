"""Kills coordinator, stores and executors of one run at random moments until it is finished."""

import collections
import json
import random
import time

import psutil

from tests.integration.dying_train import PHASES
from tests.integration.real_training import Coordinator, RealChain
from tests.train_command import TIMEOUT_S

_PARTIES = {"coordinator": 7, "store": 8, "executor": 5}
# Kills that follow each other closely: the one before is not got over yet.
_VOLLEYS = (1, 1, 2, 3)
# A round takes half a second and a start some seconds: moments in both.
_MAX_DELAY_S = 1.0
# Of the coordinator's starts, those in which it dies by its own hand in a phase of milliseconds.
_SUICIDES = 0.4
_TICK_S = 0.005


class KillCampaign:
    """Runs a coordinator to its end through kills.

    Args:
      chain: whose stores are killed; all of them are there at the end.
      coordinator: not started yet.
      chance: decides whom and when.
      most: kills are over after so many, and the run is left in peace.

    Attributes:
      killed: how often each party was killed, and the coordinator by its own hand in each phase.
    """

    def __init__(
        self, chain: RealChain, coordinator: Coordinator, chance: random.Random, *, most: int
    ) -> None:
        self._chain, self._coordinator = chain, coordinator
        self._chance, self._most = chance, most
        self._is_open = self._is_over = False
        self._last_round: dict[str, int] = {}
        self.killed: collections.Counter[str] = collections.Counter()

    def go(self) -> None:
        """Returns when the run is finished; raises where it came to another end."""
        self._start()
        while not self._is_over:
            began = self._round()
            for _ in range(self._chance.choice(_VOLLEYS)):
                self._pass(self._chance.uniform(0, _MAX_DELAY_S))
                if not self._is_over and self.killed.total() < self._most:
                    self._kill(self._chance.choices(*zip(*_PARTIES.items(), strict=True))[0])
            self._wait_for_progress(began)

    def _wait_for_progress(self, round_num: int) -> None:
        """Waits for the next round, so that kills can't hold a run up for ever."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self._is_over and self._round() <= round_num:
            self._look()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no round after {round_num}: {self._coordinator.said()}")

    def _pass(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_over and time.monotonic() < until:
            self._look()

    def _look(self) -> None:
        """Lets stores in where the coordinator listens, and starts it again where it has died."""
        said = self._coordinator.said()
        for begin in ("listening for stores on ", "delivering its model on "):
            address, end, _ = said.partition(begin)[2].partition("\n")
            if not self._is_open and end:
                self._chain.open_to(address.split()[0])
                self._is_open = True
        code = self._coordinator.process.poll()
        if code == 0:
            self._is_over = True
        elif code is not None:
            said = self._coordinator.said()
            phase = said.rpartition("dies in ")[2].strip()
            assert code == -9 and phase in PHASES, said
            self._count(f"coordinator, {phase}")
            self._start()
        time.sleep(_TICK_S)

    def _start(self) -> None:
        self._chain.shut()
        self._is_open = False
        is_left = self.killed.total() < self._most and self._chance.random() < _SUICIDES
        self._coordinator.start(dies_in=self._chance.choice(sorted(PHASES)) if is_left else "")

    def _kill(self, party: str) -> None:
        name = self._chance.choice(sorted(self._chain.stores))
        if party == "executor" and self._kill_executor(name):
            self._count(party)
        elif party == "coordinator":
            if self._coordinator.process.poll() is None:
                self._coordinator.kill()
                self._count(party)
                self._start()
        else:
            self._chain.stores[name].kill()
            self._chain.stores[name].start_again()
            self._count("store")

    def _kill_executor(self, name: str) -> bool:
        """False where there is none, or where it was killed just now.

        Killed twice over one piece of work it counts as one that the work kills.
        """
        if self._round() < self._last_round.get(name, -2) + 2:
            return False
        children = psutil.Process(self._chain.stores[name].daemon.process.pid).children()
        for child in children:
            child.kill()
        self._last_round[name] = self._round()
        return bool(children)

    def _round(self) -> int:
        """The round under way; 0 before the first."""
        try:
            found = json.loads((self._coordinator.run / "roster.json").read_text())
        except FileNotFoundError:
            return 0
        return int(found["round"])

    def _count(self, what: str) -> None:
        self.killed[what] += 1
        print(f"kill {self.killed.total()} in round {self._round()}: {what}", flush=True)
