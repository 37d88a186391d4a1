"""What headquarters and the executor say to each other, followed call by call by the daemon.

Requests are read and passed on; of the answers of all calls but `Compute` nothing passes but a
reference that counts upwards, so that they can carry nothing. Executors have names of the daemon's
own, which nobody guesses.

https://github.com/google-parfait/tensorflow-federated/blob/v0.87.0/tensorflow_federated/proto/v0/executor.proto
"""

import collections
import dataclasses
import re
import secrets
from collections.abc import Mapping

from tff_retail.privacy.protobuf_fields import (
    BYTES,
    VARINT,
    Buffer,
    MalformedMessage,
    WireField,
    only_fields,
    read_fields,
    the_field,
    write_bytes,
)
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.shadow_values import (
    ShadowResult,
    ShadowStruct,
    ShadowValue,
    call_result,
    make_shadow_struct,
    read_shadow_value,
)

# Which field of a request names the executor; GetExecutor has none.
_EXECUTOR_FIELD: Mapping[str, int] = {
    "CreateValue": 2,
    "CreateCall": 3,
    "CreateStruct": 3,
    "CreateSelection": 4,
    "Compute": 2,
    "Dispose": 2,
    "DisposeExecutor": 1,
}
_ID = 1
_ANSWER = 1
_VALUE = 1
_FUNCTION, _ARGUMENT = 1, 2
_ELEMENT, _ELEMENT_REFERENCE = 1, 2
_SOURCE, _INDEX = 1, 3
_REFERENCE = 1
# The executor keeps fewer and drops the one that was not used longest.
_MAX_EXECUTORS = 32
# Of all executors together; a round holds its weights' some hundred twice.
_MAX_HELD = 200_000
_MAX_NAME_BYTES = 100
_END_OF_INDEX = 2**31
_NUMBER = re.compile(b"[1-9][0-9]{0,17}")


@dataclasses.dataclass
class _Executor:
    """An executor, by the name that the child gave it.

    Attributes:
      name: the child's.
      num_asked: values that it was asked to make.
      used_up_to, used: references that it has given: all up to a number, and some above it.
      values: what they stand for.
      num_held: references that all values together hold.
    """

    name: bytes
    num_asked: int = 0
    used_up_to: int = 0
    used: set[int] = dataclasses.field(default_factory=set)
    values: dict[bytes, ShadowValue] = dataclasses.field(default_factory=dict)
    num_held: int = 0

    def drop(self, reference: bytes) -> None:
        """Forgets a value, if it is there."""
        value = self.values.pop(reference, None)
        if value is not None:
            self.num_held -= _num_held(value)


@dataclasses.dataclass(frozen=True)
class FollowedCall:
    """A call that was read.

    Attributes:
      method: of `ExecutorGroup`.
      forwarded: the request for the executor child.
      result: what is computed out, where the call is `Compute`.
      makes: the value that it makes, where it makes one.
      executor: that it is about; None for `GetExecutor`.
    """

    method: str
    forwarded: list[Buffer]
    result: ShadowResult | None = None
    makes: ShadowValue | None = None
    executor: _Executor | None = None


class ExecutorConversation:
    """Follows the calls to one executor child; a new child begins with a new conversation."""

    def __init__(self) -> None:
        self._executors: collections.OrderedDict[bytes, _Executor] = collections.OrderedDict()

    def follow(self, method: str, request: memoryview) -> FollowedCall:
        """Reads a request before it is passed on.

        Raises:
          Refused: it is malformed, or asks for what nobody gets.
        """
        if method == "GetExecutor":
            return FollowedCall(method, [request])
        if method not in _EXECUTOR_FIELD:
            raise Refused("unknown_method", f"found {method!r:.60}")
        try:
            fields = list(read_fields(request))
            field = _the_executor(fields, _EXECUTOR_FIELD[method])
            executor = self._find(bytes(the_field(field.payload, _ID)))
            named = write_bytes(field.number, write_bytes(_ID, [executor.name]))
            forwarded = [request[: field.start], *named, request[field.end :]]
            others = [one for one in fields if one is not field]
            return self._read(method, executor, others, forwarded)
        except MalformedMessage as error:
            raise Refused("malformed_request", f"{method} has {error}") from error

    def checked(self, call: FollowedCall, answer: memoryview) -> list[Buffer]:
        """The answer of any call but `Compute`, as it may leave.

        Raises:
          Refused: it is not of the one form that it must have.
        """
        try:
            if call.method == "GetExecutor":
                return self._opened(bytes(the_field(the_field(answer, _ANSWER), _ID)))
            if call.executor is not None and call.makes is not None:
                return _referred(call.executor, call.makes, answer)
        except MalformedMessage as error:
            raise Refused("call_form", f"the executor answered {call.method} by {error}") from error
        if answer.nbytes:
            raise Refused("call_form", f"the executor answered {call.method} by bytes")
        self._dispose(call)
        return []

    def _read(
        self,
        method: str,
        executor: _Executor,
        fields: list[WireField],
        forwarded: list[Buffer],
    ) -> FollowedCall:
        if method == "Compute":
            value = executor.values.get(_the_reference(fields, _REFERENCE))
            if not isinstance(value, ShadowResult):
                raise _not_there_or(
                    value, "own_results_only", "only the result of a call can be computed"
                )
            return FollowedCall(method, forwarded, result=value, executor=executor)
        if method in ("Dispose", "DisposeExecutor"):
            return FollowedCall(method, forwarded, executor=executor)
        makes = _makes(method, executor.values, fields)
        self._make_room(executor, _num_held(makes))
        executor.num_asked += 1
        return FollowedCall(method, forwarded, makes=makes, executor=executor)

    def _make_room(self, executor: _Executor, num_held: int) -> None:
        """Drops executors that were not used lately, as the child does, until there is room."""
        while sum(one.num_held for one in self._executors.values()) + num_held > _MAX_HELD:
            if next(iter(self._executors.values())) is executor:
                sentence = f"a store's values may hold {_MAX_HELD} references; dispose of some"
                raise Refused("too_much", sentence)
            self._executors.popitem(last=False)

    def _find(self, name: bytes) -> _Executor:
        if name not in self._executors:
            raise Refused("unknown_executor", "it was dropped, or is of an earlier child")
        self._executors.move_to_end(name)
        return self._executors[name]

    def _opened(self, name: bytes) -> list[Buffer]:
        if not 0 < len(name) <= _MAX_NAME_BYTES:
            raise MalformedMessage("a name of an executor that is too long")
        while len(self._executors) >= _MAX_EXECUTORS:
            self._executors.popitem(last=False)
        token = secrets.token_hex(16).encode()
        self._executors[token] = _Executor(name)
        return write_bytes(_ANSWER, write_bytes(_ID, [token]))

    def _dispose(self, call: FollowedCall) -> None:
        """The executor lets values go; so may this."""
        if call.method == "DisposeExecutor":
            for token in [key for key, one in self._executors.items() if one is call.executor]:
                del self._executors[token]
        elif call.method == "Dispose" and call.executor is not None:
            for reference in _disposed(call.forwarded):
                call.executor.drop(reference)


def _num_held(value: ShadowValue) -> int:
    """How many references a value takes; those of a struct inside it are counted there too."""
    return 1 + (value.num_leaves if isinstance(value, ShadowStruct) else 0)


def _makes(
    method: str, values: Mapping[bytes, ShadowValue], fields: list[WireField]
) -> ShadowValue:
    if method == "CreateValue":
        if len(fields) != 1 or fields[0].number != _VALUE or fields[0].kind != BYTES:
            raise MalformedMessage("not one value")
        return read_shadow_value(fields[0].payload)
    if method == "CreateStruct":
        elements = (_element_reference(field) for field in fields)
        return make_shadow_struct(tuple(_get(values, reference) for reference in elements))
    if method == "CreateCall":
        _get(values, _the_reference(fields, _FUNCTION))
        if not any(field.number == _ARGUMENT for field in fields):
            raise MalformedMessage("no argument")
        return call_result(_get(values, _the_reference(fields, _ARGUMENT)))
    return _select(_get(values, _the_reference(fields, _SOURCE)), _the_index(fields))


def _select(source: ShadowValue, index: int) -> ShadowValue:
    if isinstance(source, ShadowResult):
        return dataclasses.replace(source, path=(*source.path, index))
    if isinstance(source, ShadowStruct) and index < len(source.elements):
        return source.elements[index]
    if isinstance(source, ShadowStruct):
        raise MalformedMessage("a selection that leads nowhere")
    raise Refused("own_results_only", "nothing is selected from a store's data")


def _get(values: Mapping[bytes, ShadowValue], reference: bytes) -> ShadowValue:
    value = values.get(reference)
    if value is None:
        raise _not_there_or(value, "unknown_value", "")
    return value


def _not_there_or(value: ShadowValue | None, rule: str, sentence: str) -> Refused:
    if value is None:
        return Refused("unknown_value", "there is no such value in this executor, or not any more")
    return Refused(rule, sentence)


def _the_executor(fields: list[WireField], number: int) -> WireField:
    found = [field for field in fields if field.number == number]
    if len(found) != 1 or found[0].kind != BYTES:
        raise MalformedMessage("not one executor; ask GetExecutor for one")
    return found[0]


def _the_reference(fields: list[WireField], number: int) -> bytes:
    found = [field for field in fields if field.number == number]
    if len(found) != 1 or found[0].kind != BYTES:
        raise MalformedMessage("not one reference where one is to be")
    return bytes(the_field(found[0].payload, _ID))


def _the_index(fields: list[WireField]) -> int:
    """Of a selection; of several the executor would take the last, and of a large one a part."""
    found = [field for field in fields if field.number == _INDEX]
    if len(found) > 1 or any(each.kind != VARINT or each.value >= _END_OF_INDEX for each in found):
        raise MalformedMessage("not one index where one is to be")
    return found[0].value if found else 0


def _element_reference(field: WireField) -> bytes:
    if field.number != _ELEMENT or field.kind != BYTES:
        raise MalformedMessage("a struct of something else than elements")
    parts = list(read_fields(field.payload))
    return _the_reference(parts, _ELEMENT_REFERENCE)


def _disposed(forwarded: list[Buffer]) -> list[bytes]:
    message = b"".join(forwarded)
    references = only_fields(message, _REFERENCE, _EXECUTOR_FIELD["Dispose"])[_REFERENCE]
    return [bytes(the_field(field.payload, _ID)) for field in references]


def _referred(executor: _Executor, value: ShadowValue, answer: memoryview) -> list[Buffer]:
    reference = bytes(the_field(the_field(answer, _ANSWER), _ID))
    if not _NUMBER.fullmatch(reference):
        raise MalformedMessage("a reference that is no number")
    number = int(reference)
    if not executor.used_up_to < number <= executor.num_asked or number in executor.used:
        raise MalformedMessage("a reference that does not count upwards")
    executor.used.add(number)
    while executor.used_up_to + 1 in executor.used:
        executor.used_up_to += 1
        executor.used.discard(executor.used_up_to)
    executor.values[reference] = value
    executor.num_held += _num_held(value)
    return write_bytes(_ANSWER, write_bytes(_ID, [reference]))
