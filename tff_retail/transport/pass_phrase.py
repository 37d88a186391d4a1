"""Where a pass phrase comes from: the environment, or a person at a terminal. Never a flag, which
other users of the machine can read.
"""

import getpass
import os
import sys
from collections.abc import Mapping

from tff_retail.config import ConfigurationError

VARIABLE = "TFF_RETAIL_PASS_PHRASE"
# Keys lie in files that can be tried offline.
_MIN_CHARACTERS = 12


def present_pass_phrase(what: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The pass phrase that opens keys.

    Args:
      what: it opens, for the prompt.
      environment: of this process.

    Raises:
      ConfigurationError: it is not set, and nobody can be asked.
    """
    return _asked(what, environment).encode()


def new_pass_phrase(environment: Mapping[str, str] = os.environ) -> bytes:
    """A pass phrase to put keys under, asked for twice.

    Raises:
      ConfigurationError: it is too short, the two differ, or nobody can be asked.
    """
    found = _asked("the new keys", environment)
    if len(found) < _MIN_CHARACTERS:
        raise ConfigurationError(
            f"a pass phrase must have at least {_MIN_CHARACTERS} characters, found {len(found)}; "
            "choose a longer one"
        )
    if VARIABLE not in environment and _asked("the new keys, again", environment) != found:
        raise ConfigurationError("the pass phrase must be the same twice, and was not; try again")
    return found.encode()


def _asked(what: str, environment: Mapping[str, str]) -> str:
    if VARIABLE in environment:
        return environment[VARIABLE]
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"the pass phrase of {what} must be in {VARIABLE} or typed at a terminal, found "
            f"neither; set {VARIABLE}"
        )
    return getpass.getpass(f"Pass phrase of {what}: ")
