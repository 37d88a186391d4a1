"""Actors of a Ray cluster that do calls, each on whichever is idle, until all are done.

A call whose worker is lost, with its process or its whole node, is done again by another worker,
and the lost one is replaced where the cluster has room. What a worker does is a function of its
arguments alone, so the results are the same.
"""

import collections
import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.runtime.ray_cluster import import_ray

# A machine that dies takes a call once; that four die one after the other under the same call
# says that the call is what kills them, for want of memory as a rule.
MAX_LOSSES = 3
# Starting a worker takes seconds; a cluster that is busy with other runs may take minutes, one
# that has lost its nodes for ever would take this long to notice.
MAX_START_S = 300.0


class WorkersLost(Exception):
    """Ray lost the workers of a call, or all of them; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Call:
    """What a worker is to do.

    Attributes:
      method: of the actor.
      arguments: of the method; an `ObjectRef` among them arrives as its value.
      subject: what it is about, for a sentence: `stores Bern, Basel`.
    """

    method: str
    arguments: tuple[Any, ...]
    subject: str


class RayWorkers:
    """A fixed number of actors.

    Args:
      start: starts an actor; its method `ready` answers as soon as it can work.
      num_workers: as many as are started, and started again where they are lost.
      check: told what each actor's `ready` answers; what it raises ends the run.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        num_workers: int,
        *,
        check: Callable[[Any], None] = lambda answer: None,
    ) -> None:
        self._ray = import_ray()
        self._start = start
        self._check = check
        self.num_workers = num_workers
        self._lock = threading.Lock()
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int]] = {}
        self._failed_starts = 0
        self._fill()

    def run(self, calls: Sequence[Call], on_result: Callable[[int, Any], None]) -> None:
        """Does every call, in this order as far as workers are idle.

        Args:
          calls: what is to be done.
          on_result: called with a call's number and what it gave, one at a time.

        Raises:
          WorkersLost: a call lost its worker again and again, or no worker can be had.
          ConfigurationError: a worker can't be started.
          Exception: whatever a call raised.
        """
        with self._lock:
            waiting = collections.deque(range(len(calls)))
            losses = [0] * len(calls)
            self._see_who_is_there()
            try:
                while waiting or self._busy:
                    self._hand_out(calls, waiting)
                    for ref in self._wait():
                        if ref in self._starting:
                            self._take_start(ref)
                        else:
                            self._take_result(ref, calls, waiting, losses, on_result)
            except BaseException:
                self._drop_busy()
                raise

    def close(self) -> None:
        """Ends the actors; may be called twice."""
        actors = [
            *self._starting.values(),
            *self._idle,
            *(actor for actor, _ in self._busy.values()),
        ]
        self._starting, self._idle, self._busy = {}, [], {}
        for actor in actors:
            self._kill(actor)

    def _fill(self) -> None:
        while len(self._starting) + len(self._idle) + len(self._busy) < self.num_workers:
            actor = self._start()
            self._starting[actor.ready.remote()] = actor

    def _see_who_is_there(self) -> None:
        """Lest a call be lost to one worker after the other of a node that died meanwhile."""
        for actor in self._idle:
            self._starting[actor.ready.remote()] = actor
        self._idle = []
        self._fill()

    def _hand_out(self, calls: Sequence[Call], waiting: "collections.deque[int]") -> None:
        while waiting and self._idle:
            actor, number = self._idle.pop(), waiting.popleft()
            call = calls[number]
            self._busy[getattr(actor, call.method).remote(*call.arguments)] = (actor, number)

    def _wait(self) -> list[Any]:
        """The answers that have come, at least one."""
        timeout = None if self._busy else MAX_START_S
        pending = [*self._busy, *self._starting]
        done, _ = self._ray.wait(pending, num_returns=1, timeout=timeout)
        if not done:
            raise WorkersLost(
                f"Ray must have room for a worker, found none in {MAX_START_S:.0f} s; see what "
                "the cluster is busy with: ray status"
            )
        return done

    def _take_start(self, ref: Any) -> None:
        actor = self._starting.pop(ref)
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._kill(actor)
            if getattr(error, "actor_init_failed", False):
                raise ConfigurationError(
                    "Every node of the Ray cluster must have this version of tff_retail with its "
                    f"environment at the same place, found: {_last_line(error)}"
                ) from error
            self._failed_starts += 1
            if self._failed_starts > MAX_LOSSES * self.num_workers:
                raise WorkersLost(
                    f"Ray lost {self._failed_starts} workers one after the other while they "
                    f"started (the last: {_last_line(error)}); see `ray status`"
                ) from error
            self._fill()
            return
        self._check(answer)
        self._failed_starts = 0
        self._idle.append(actor)

    def _take_result(
        self,
        ref: Any,
        calls: Sequence[Call],
        waiting: "collections.deque[int]",
        losses: list[int],
        on_result: Callable[[int, Any], None],
    ) -> None:
        actor, number = self._busy[ref]
        try:
            result = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception) and not isinstance(
                cause, self._ray.exceptions.RayError
            ):
                raise cause from error  # what the call itself raised
            del self._busy[ref]
            self._kill(actor)
            losses[number] += 1
            if losses[number] > MAX_LOSSES:
                raise WorkersLost(
                    f"Ray lost the worker of {calls[number].subject} {losses[number]} times (the "
                    f"last time: {_last_line(error)}); start the same command again to go on, "
                    "with more memory on the nodes or fewer --parallel_stores"
                ) from error
            waiting.appendleft(number)
            self._see_who_is_there()
            return
        del self._busy[ref]
        self._idle.append(actor)
        on_result(number, result)

    def _drop_busy(self) -> None:
        for actor, _ in self._busy.values():
            self._kill(actor)
        self._busy = {}

    def _kill(self, actor: Any) -> None:
        if self._ray.is_initialized():
            self._ray.kill(actor, no_restart=True)


def _last_line(error: Exception) -> str:
    """What a Ray error comes down to: its last line that is not a name with a value."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
