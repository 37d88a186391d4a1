"""Private files that hold one JSON object."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.transport.private_file import write_private_file


def write_json_file(path: pathlib.Path, values: Mapping[str, Any]) -> None:
    """Replaces `path`, readable by its owner alone.

    Raises:
      OSError: it can't be written.
    """
    write_private_file(path, json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n")


def read_json_file(path: pathlib.Path) -> dict[str, Any]:
    """The object.

    Raises:
      FileNotFoundError: there is none.
      ConfigurationError: the file holds something else.
    """
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} must hold a JSON object, found something else; restore it from a backup"
        ) from error
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{path} must hold a JSON object, found a {type(values).__name__}; restore it"
        )
    return values
