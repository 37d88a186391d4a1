"""Reads the JSON object at the head of a frame, without trusting it."""

import json
from typing import Any, NoReturn

# Of a parser's message, which is told to the other end.
_MAX_REASON = 80


def read_header(header: bytes) -> dict[str, Any]:
    """The fields of a header.

    Raises:
      ValueError: it is no JSON object in UTF-8, names something twice, is nested too deep, or has
        numbers that are not finite or have thousands of digits.
    """
    try:
        found = json.loads(
            header.decode("utf-8", "strict"),
            object_pairs_hook=_without_repetition,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"JSON: {str(error).splitlines()[0][:_MAX_REASON]}") from None
    if not isinstance(found, dict):
        raise ValueError("a JSON object")
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError("a number is not finite")
