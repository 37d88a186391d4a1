"""Reads a store's policy file, strictly: what is not understood in full does not hold at all."""

import dataclasses
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.policy_rule import require_policy
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.role_release import RoleRelease

# A policy is read by people; a hundred pinned graphs have 7 KB.
_MAX_BYTES = 256 * 1024


def read_release_policy(path: str | pathlib.Path) -> ReleasePolicy:
    """The policy of a TOML file; what it leaves out is the default's.

    Raises:
      ConfigurationError: it can't be read, or a key, a type or a value is none of a policy; the
        sentence says which. There is no falling back to the default.
    """
    try:
        content = pathlib.Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"--policy must be a file that can be read, found {str(path)!r} ({error.strerror}); "
            "leave the flag out for the default policy"
        ) from error
    require_policy(len(content) <= _MAX_BYTES, "the file", f"{_MAX_BYTES} bytes", len(content))
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"--policy must be a TOML file in UTF-8, found {str(path)!r} ({error}); "
            "see configs/policy.toml"
        ) from error
    return _policy(values)


def _policy(values: Mapping[str, Any]) -> ReleasePolicy:
    default = ReleasePolicy()
    _require_known(values, default, "")
    sections: dict[str, Any] = {
        "train": _section("train", default.train, values),
        "evaluate": _section("evaluate", default.evaluate, values),
        "graphs": _section("graphs", default.graphs, values),
    }
    plain = {
        key: _checked(key, value, getattr(default, key))
        for key, value in values.items()
        if key not in sections
    }
    return dataclasses.replace(default, **plain, **sections)


def _section(
    name: str, default: RoleRelease | GraphBounds, values: Mapping[str, Any]
) -> RoleRelease | GraphBounds:
    table = values.get(name, {})
    require_policy(isinstance(table, dict), name, "a table", table)
    _require_known(table, default, f"{name}.")
    changes = {
        key: _checked(f"{name}.{key}", value, getattr(default, key)) for key, value in table.items()
    }
    try:
        return dataclasses.replace(default, **changes)
    except ConfigurationError as error:
        sentence = str(error).removeprefix("policy: ")
        raise ConfigurationError(f"policy: {name}.{sentence}") from error


def _require_known(values: Mapping[str, Any], default: Any, prefix: str) -> None:
    known = [field.name for field in dataclasses.fields(default)]
    for key in values:
        require_policy(
            key in known, f"{prefix}{key}", f"one of {', '.join(known)}", key, "check its spelling"
        )


def _checked(key: str, value: Any, default: Any) -> Any:
    """A value of the type that the default has; whole numbers pass for floats."""
    if isinstance(default, bool):
        require_policy(isinstance(value, bool), key, "true or false", value)
    elif isinstance(default, int):
        require_policy(type(value) is int, key, "a whole number", value)
    elif isinstance(default, float):
        require_policy(type(value) in (int, float), key, "a number", value)
        return float(value)
    elif isinstance(default, str):
        require_policy(isinstance(value, str), key, "text", value)
    elif isinstance(default, tuple):
        is_text = isinstance(value, list) and all(isinstance(each, str) for each in value)
        require_policy(is_text, key, "a list of texts", value)
        return tuple(value)
    else:
        is_table = isinstance(value, dict) and all(type(each) is int for each in value.values())
        require_policy(is_table, key, "a table of names and whole numbers", value)
    return value
