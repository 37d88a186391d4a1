"""Checks of the release policy; what they raise is one sentence its owner can act on."""

from typing import Any

from tff_retail.config import ConfigurationError


def require_policy(is_valid: bool, key: str, rule: str, found: Any, remedy: str = "") -> None:
    """Unless valid, raises `ConfigurationError`: `policy: KEY must be RULE, found …; REMEDY`."""
    if not is_valid:
        ending = remedy or "see configs/policy.toml"
        raise ConfigurationError(f"policy: {key} must be {rule}, found {found!r:.100}; {ending}")
