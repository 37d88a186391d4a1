"""What the values of an executor are, as far as what is asked of a store depends on it.

The daemon reads the same requests as the executor does, so that it knows by itself, whatever the
executor says, of which run, round, role and broadcast a result is.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import TypeAlias

from tff_retail.privacy.protobuf_fields import BYTES, FieldBudget, MalformedMessage, read_fields
from tff_retail.privacy.refused import Refused

# As in the executor: a network has some hundred weights, and structs of one struct twice, again and
# again, would hold more than any memory.
_MAX_LEAVES = 10_000
_MAX_DEPTH = 32
# Fields of TFF's messages.
_COMPUTATION, _STRUCT, _SEQUENCE, _FEDERATED, _ARRAY = 2, 3, 4, 5, 6
_STRUCT_ELEMENT, _ELEMENT_NAME, _ELEMENT_VALUE = 1, 1, 2
_FEDERATED_VALUE = 2
_DATA, _URI = 10, 1
_ARRAY_FORM = (1, 2)  # data type and shape


@dataclasses.dataclass(frozen=True)
class SentValue:
    """An array that headquarters sent, by the SHA-256 of its message."""

    digest: bytes


@dataclasses.dataclass(frozen=True)
class NamedValue:
    """Data of the store, or an approved work, by its URI."""

    uri: str


@dataclasses.dataclass(frozen=True)
class ComputationValue:
    """A computation that was sent; whether it is approved is the executor's to find out."""


@dataclasses.dataclass(frozen=True)
class ShadowStruct:
    """Values put together."""

    elements: "tuple[ShadowValue, ...]"
    num_leaves: int
    depth: int


@dataclasses.dataclass(frozen=True)
class ShadowResult:
    """The result of a call, or a part of it.

    Attributes:
      data: URI of the store's data; '' where the call has none or more than one.
      broadcast: SHA-256 of all that headquarters sent with it, in hexadecimal.
      path: positions of the part.
    """

    data: str
    broadcast: str
    path: tuple[int, ...] = ()


ShadowValue: TypeAlias = SentValue | NamedValue | ComputationValue | ShadowStruct | ShadowResult


def make_shadow_struct(elements: "tuple[ShadowValue, ...]") -> ShadowStruct:
    """A struct of values.

    Raises:
      Refused: it is too large.
    """
    structs = [each for each in elements if isinstance(each, ShadowStruct)]
    # An empty struct counts: of thousands in thousands none would be a leaf, and all are visited.
    num_leaves = len(elements) - len(structs) + sum(max(1, each.num_leaves) for each in structs)
    depth = 1 + max((each.depth for each in structs), default=0)
    if num_leaves > _MAX_LEAVES or depth > _MAX_DEPTH:
        raise Refused(
            "too_much",
            f"a struct may hold {_MAX_LEAVES} values, {_MAX_DEPTH} deep, found {num_leaves}, "
            f"{depth} deep",
        )
    return ShadowStruct(elements, num_leaves, depth)


def call_result(argument: ShadowValue) -> ShadowResult:
    """What a call with an argument gives."""
    found = list(_leaves(argument))
    data = [each.uri for each in found if isinstance(each, NamedValue)]
    digest = hashlib.sha256()
    for each in found:
        digest.update(each.digest if isinstance(each, SentValue) else b"/")
    is_plain = all(isinstance(each, SentValue | NamedValue) for each in found)
    uri = data[0] if len(data) == 1 and is_plain else ""
    return ShadowResult(uri, digest.hexdigest())


def read_shadow_value(message: memoryview) -> ShadowValue:
    """What a serialised `Value` is.

    Raises:
      MalformedMessage: it is none, or of two kinds at once.
      Refused: it is too large.
    """
    return _read(message, FieldBudget(), 0)


def _read(message: memoryview, budget: FieldBudget, depth: int) -> ShadowValue:
    if depth > _MAX_DEPTH:
        raise Refused("too_much", f"a value may be nested {_MAX_DEPTH} deep")
    fields = list(read_fields(message, budget))
    if len(fields) != 1 or fields[0].kind != BYTES:
        raise MalformedMessage("a value that is not of one kind")
    (field,) = fields
    if field.number == _ARRAY:
        _require_one_content(field.payload, budget)
        return SentValue(hashlib.sha256(field.payload).digest())
    if field.number == _COMPUTATION:
        return _read_computation(field.payload)
    if field.number == _STRUCT:
        return make_shadow_struct(tuple(_read_elements(field.payload, budget, depth)))
    if field.number == _FEDERATED:
        parts = read_fields(field.payload, budget)
        values = [one for one in parts if one.number == _FEDERATED_VALUE]
        if len(values) == 1 and values[0].kind == BYTES:
            return _read(values[0].payload, budget, depth + 1)
    if field.number == _SEQUENCE:
        raise Refused("own_data_only", "a store works on its own data and on no other")
    raise MalformedMessage("a value of a kind that no store takes")


def _require_one_content(array: memoryview, budget: FieldBudget) -> None:
    """Of two contents the executor might give one to another array: one digest, two broadcasts."""
    numbers = [field.number for field in read_fields(array, budget)]
    others = [number for number in numbers if number not in _ARRAY_FORM]
    if len(set(numbers)) < len(numbers) or len(others) != 1:
        raise MalformedMessage("an array that does not hold its numbers once")


def _read_elements(message: memoryview, budget: FieldBudget, depth: int) -> Iterator[ShadowValue]:
    for element in read_fields(message, budget):
        parts = [] if element.kind != BYTES else list(read_fields(element.payload, budget))
        values = [part for part in parts if part.number == _ELEMENT_VALUE and part.kind == BYTES]
        if element.number != _STRUCT_ELEMENT or len(values) != 1:
            raise MalformedMessage("a struct of something else than elements")
        yield _read(values[0].payload, budget, depth + 1)


def _read_computation(message: memoryview) -> ShadowValue:
    data = [field for field in read_fields(message) if field.number == _DATA]
    if not data:
        return ComputationValue()
    if len(data) > 1 or data[0].kind != BYTES:
        raise MalformedMessage("a computation of two kinds")
    uris = [field for field in read_fields(data[0].payload) if field.number == _URI]
    if len(uris) != 1 or uris[0].kind != BYTES:
        raise MalformedMessage("data without one name")
    try:
        return NamedValue(bytes(uris[0].payload).decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedMessage("a name that is no text") from None


def _leaves(value: ShadowValue) -> Iterator[ShadowValue]:
    if isinstance(value, ShadowStruct):
        for element in value.elements:
            yield from _leaves(element)
    else:
        yield value
