"""A store inside this process: the same graph on the same kind of data as a real one."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.store import StoreFailed, WorkRequest, WorkResult

_HEADING = "Graph execution error:"


class LocalData(Protocol):
    """The data a store has, as the arrays that a role's pipeline takes."""

    def feeds(self, role: str, *, seed: int, round_num: int) -> Mapping[str, np.ndarray]:
        """The arrays of one piece of work, by the names of the pipeline's inputs.

        Raises:
          OSError: the data can't be read.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Role:
    """A piece of work that a store knows.

    Attributes:
      sessions: of the role's `work` graph, bound to the store's kind of data.
      report: turns the leaves of `work`'s result into what the store tells of itself.
    """

    sessions: SessionPool
    report: Callable[[Sequence[np.ndarray]], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class SimulatedStore:
    """A `Store` that does its work here.

    Attributes:
      name: the store's name.
      data: its own data.
      roles: what it knows to do, shared by all simulated stores.
    """

    name: str
    data: LocalData
    roles: Mapping[str, Role]

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`."""
        started = time.perf_counter()
        role = self.roles.get(request.role)
        if role is None:
            raise StoreFailed(f"{self.name}: it knows no role {request.role!r}")
        try:
            feeds = self.data.feeds(request.role, seed=request.seed, round_num=request.round_num)
            with role.sessions.session() as session:
                outputs = session(request.broadcast, [feeds])
        except (OSError, MemoryError, tf.errors.OpError) as error:
            raise StoreFailed(f"{self.name}: {_one_line(error)}") from error
        return WorkResult(outputs, role.report(outputs), time.perf_counter() - started)


def _one_line(error: Exception) -> str:
    """What went wrong, without the heading and the nodes' names that TensorFlow puts around it."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and line != _HEADING]
    return telling[0] if telling else type(error).__name__
