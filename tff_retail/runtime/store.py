"""A store as headquarters sees it: a name, and work done on data that stays there."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np


class StoreFailed(Exception):
    """A store could not do its work in this round; the message says why, in one line.

    Args:
      sentence: the message.
      code: the same in a word, as docs/operations.md lists them.
    """

    def __init__(self, sentence: str, *, code: str = "work_failed") -> None:
        super().__init__(sentence)
        self.code = code


class QuorumMissed(Exception):
    """Too few stores gave a result, or were there at all; the message names who was missing."""


class WorkStopped(Exception):
    """The run was asked to stop while a store was at work."""


@dataclasses.dataclass(frozen=True)
class WorkRequest:
    """What a store is asked to do.

    Attributes:
      role: which of the manifest's graphs, such as `train` or `evaluate`.
      round_num: from 1.
      seed: of the run; a store's randomness derives from (seed, round, store).
      broadcast: what `prepare` gave, the leaves of `work`'s second argument.
    """

    role: str
    round_num: int
    seed: int
    broadcast: Sequence[np.ndarray]


@dataclasses.dataclass(frozen=True)
class WorkResult:
    """What a store gives back.

    Attributes:
      outputs: the leaves of `work`'s result: the update and what is summed securely.
      report: what the store tells of itself, apart from the update; it may withhold it.
      seconds: how long the work took.
    """

    outputs: Sequence[np.ndarray]
    report: Mapping[str, float]
    seconds: float


@runtime_checkable
class Store(Protocol):
    """One store of the chain."""

    @property
    def name(self) -> str:
        """The store's name, unique in the chain."""
        ...

    def run(self, request: WorkRequest) -> WorkResult:
        """Does a role's work on the store's own data; called from any thread.

        Raises:
          StoreFailed: it can't, in this round.
          WorkStopped: the run was asked to stop.
        """
        ...
