"""Ray's part of `RayWorkers` in this process: actors that answer when they are waited for."""

import types
from collections.abc import Callable
from typing import Any


class RayError(Exception):
    pass


class TaskError(RayError):
    """What Ray makes of an exception that a call raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ActorDied(RayError):
    def __init__(self, message: str = "The actor died.", *, actor_init_failed: bool = False):
        super().__init__(message)
        self.actor_init_failed = actor_init_failed


class _Ref:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer


class Actor:
    """An actor around any object; `dies_at` says before which of its calls it dies."""

    def __init__(self, worker: Any, *, dies_at: int | None = None, never_starts: bool = False):
        self._worker = worker
        self._calls_left = dies_at
        self.is_pending = never_starts
        self.is_killed = False

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> _Ref:
            ref = _Ref(lambda: self._answer(name, arguments))
            ref.actor = self  # type: ignore[attr-defined]
            return ref

        return types.SimpleNamespace(remote=remote)

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if self.is_killed:
            raise ActorDied
        if name == "ready":
            return getattr(self._worker, "ready", lambda: None)()
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left < 0:
                self.is_killed = True
                raise ActorDied("The actor died.\nnode: b\nits machine went away")
        try:
            values = [given.answer() if isinstance(given, _Ref) else given for given in arguments]
            return getattr(self._worker, name)(*values)
        except RayError:
            raise
        except Exception as error:
            raise TaskError(error) from error


class FakeRay:
    """Takes the place of the package; the last ref waited for answers first."""

    exceptions = types.SimpleNamespace(RayError=RayError)

    def __init__(self) -> None:
        self.num_put = 0

    def put(self, value: Any) -> _Ref:
        self.num_put += 1
        return _Ref(lambda: value)

    def wait(self, refs: list, *, num_returns: int, timeout: float | None) -> tuple[list, list]:
        there = [ref for ref in refs if not ref.actor.is_pending]
        done = there[-num_returns:]
        return done, [ref for ref in refs if ref not in done]

    def get(self, ref: _Ref) -> Any:
        return ref.answer()

    def kill(self, actor: Actor, *, no_restart: bool) -> None:
        actor.is_killed = True

    def is_initialized(self) -> bool:
        return True
