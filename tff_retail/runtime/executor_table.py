"""The executors of a store's callers, and the values in them."""

import collections
import dataclasses
import secrets
import threading

import grpc

from tff_retail.runtime.executor_error import ExecutorError, malformed, too_much
from tff_retail.runtime.executor_limits import ExecutorLimits
from tff_retail.runtime.executor_values import ExecutorValue


@dataclasses.dataclass
class _Executor:
    values: dict[str, ExecutorValue] = dataclasses.field(default_factory=dict)
    num_made: int = 0


class ExecutorTable:
    """Values by reference, by executor; called from any thread.

    Attributes:
      limits: on all of them together.
    """

    def __init__(self, limits: ExecutorLimits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._executors: collections.OrderedDict[str, _Executor] = collections.OrderedDict()
        self._num_values = self._num_bytes = 0

    def open(self) -> str:
        """Makes an executor; its name can't be guessed by another caller."""
        name = secrets.token_hex(16)
        with self._lock:
            while len(self._executors) >= self.limits.max_executors:
                self._drop_oldest()
            self._executors[name] = _Executor()
        return name

    def close(self, name: str) -> None:
        """Ends an executor and all its values.

        Raises:
          ExecutorError: there is none of this name.
        """
        with self._lock:
            executor = self._executor(name)
            self._forget(executor, list(executor.values))
            del self._executors[name]

    def require(self, name: str) -> None:
        """Refuses the name of an executor that is not there.

        Raises:
          ExecutorError: there is none of this name.
        """
        with self._lock:
            self._executor(name)

    def add(self, name: str, value: ExecutorValue) -> str:
        """Puts a value into an executor; returns its reference.

        Raises:
          ExecutorError: there is no such executor, or no room.
        """
        with self._lock:
            executor = self._executor(name)  # the last that will be dropped to make room
            while self._num_bytes + value.num_bytes > self.limits.max_value_bytes:
                if len(self._executors) == 1:
                    raise too_much(
                        f"a store's values may take {self.limits.max_value_bytes} bytes; dispose "
                        "of some"
                    )
                self._drop_oldest()
            if self._num_values == self.limits.max_values:
                raise too_much(
                    f"a store holds {self.limits.max_values} values at most; dispose of some"
                )
            executor.num_made += 1
            reference = str(executor.num_made)
            executor.values[reference] = value
            self._num_values += 1
            self._num_bytes += value.num_bytes
            return reference

    def get(self, name: str, reference: str) -> ExecutorValue:
        """A value by its reference.

        Raises:
          ExecutorError: there is no such executor or value.
        """
        with self._lock:
            executor = self._executor(name)
            _require_references(executor, [reference])
            return executor.values[reference]

    def dispose(self, name: str, references: list[str]) -> None:
        """Drops values; all of them or, where one is not there, none.

        Raises:
          ExecutorError: there is no such executor or value, or one is named twice.
        """
        with self._lock:
            executor = self._executor(name)
            _require_references(executor, references)
            if len(set(references)) < len(references):
                raise malformed("a value must be disposed of once")
            self._forget(executor, references)

    def _executor(self, name: str) -> _Executor:
        if not name:
            raise malformed("a request must name its executor; ask GetExecutor for one")
        if name not in self._executors:
            # A status that TFF's clients take for a lost connection, and begin anew.
            raise ExecutorError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "unknown_executor",
                "there is no executor of this name, or not any more; ask GetExecutor for one",
            )
        self._executors.move_to_end(name)
        return self._executors[name]

    def _drop_oldest(self) -> None:
        _, oldest = self._executors.popitem(last=False)
        self._forget(oldest, list(oldest.values))

    def _forget(self, executor: _Executor, references: list[str]) -> None:
        for reference in references:
            self._num_bytes -= executor.values.pop(reference).num_bytes
            self._num_values -= 1


def _require_references(executor: _Executor, references: list[str]) -> None:
    if missing := [each for each in references if each not in executor.values]:
        raise ExecutorError(
            grpc.StatusCode.NOT_FOUND,
            "unknown_value",
            f"there is no value {missing[0][:20]!r} in this executor, or not any more",
        )
