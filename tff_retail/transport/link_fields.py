"""The types of a frame's header fields; each says what is wrong with a value, or nothing."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Protocol

_LARGEST = 1e300


class Field(Protocol):
    """The type of a header field."""

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        ...


@dataclasses.dataclass(frozen=True)
class Text:
    """A string of printable characters, so that no peer writes lines into our logs.

    Attributes:
      most: characters it may have.
      pattern: of the whole string; '' for any.
    """

    most: int
    pattern: str = ""

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        if not isinstance(value, str):
            return "must be a string"
        if len(value) > self.most:
            return f"must have at most {self.most} characters, has {len(value)}"
        if not value.isprintable():
            return "must be printable"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f"must match {self.pattern}"
        return ""


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    most: int
    least: int = 0

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        if type(value) is not int or not self.least <= value <= self.most:
            return f"must be a whole number from {self.least} to {self.most}"
        return ""


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number of ordinary size: a whole number of 4,000 digits fits in no float."""

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
            return "must be a finite number"
        return ""


@dataclasses.dataclass(frozen=True)
class ListOf:
    """At most `most` values of one type, no two alike."""

    item: Field
    most: int

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        if not isinstance(value, list) or len(value) > self.most:
            return f"must be a list of at most {self.most}"
        return _first(self.item.flaw, value) or (
            "" if len(set(value)) == len(value) else "must not name anything twice"
        )


@dataclasses.dataclass(frozen=True)
class MappingOf:
    """At most `most` values of one type by name."""

    name: Field
    item: Field
    most: int

    def flaw(self, value: Any) -> str:
        """What the value must be and is not; '' if it is good."""
        if not isinstance(value, dict) or len(value) > self.most:
            return f"must be an object of at most {self.most} names"
        return _first(self.name.flaw, value) or _first(self.item.flaw, value.values())


def _first(flaw: Callable[[Any], str], values: Any) -> str:
    return next((f"has an item that {found}" for found in map(flaw, values) if found), "")
