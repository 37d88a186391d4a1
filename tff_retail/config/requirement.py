"""Checks of a setting; what they raise is one sentence a user can act on."""

from typing import Any

from tff_retail.config.configuration_error import ConfigurationError


def require(is_valid: bool, flag: str, rule: str, found: Any, remedy: str = "") -> None:
    """Raises `ConfigurationError` as `--flag must be RULE, found VALUE; REMEDY` unless valid."""
    if not is_valid:
        ending = f"; {remedy}" if remedy else ""
        raise ConfigurationError(f"--{flag} must be {rule}, found {found!r}{ending}")


def require_one_of(flag: str, found: str, allowed: tuple[str, ...]) -> None:
    """Raises `ConfigurationError` unless `found` is one of `allowed`."""
    require(found in allowed, flag, "one of " + ", ".join(allowed), found)
