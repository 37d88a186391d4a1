"""The lock: which packages, in which versions, with which hashes."""

import dataclasses
import pathlib
import re

from tff_retail.config import ConfigurationError

_LINE = re.compile(r"([\w.-]+)==([\w.+!]+)((?: +--hash=sha256:[0-9a-f]{64})+)")


@dataclasses.dataclass(frozen=True)
class LockedPackage:
    """A package of the lock.

    Attributes:
      name: as the lock spells it.
      version: exactly.
      hashes: SHA-256 of its files on the index, in hexadecimal; sorted.
    """

    name: str
    version: str
    hashes: tuple[str, ...]


def locked_packages(path: pathlib.Path) -> list[LockedPackage]:
    """The packages of a requirements file with hashes, in its order.

    Raises:
      ConfigurationError: it can't be read, or a line is none of a lock.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} must be readable, found {error.strerror}; restore it from the repository"
        ) from error
    lines = text.replace("\\\n", "").splitlines()
    return [_package(line, path) for line in lines if line.strip() and line[0] not in " #"]


def _package(line: str, path: pathlib.Path) -> LockedPackage:
    found = _LINE.fullmatch(" ".join(line.split()))
    if found is None:
        raise ConfigurationError(
            f"{path} must have name==version and hashes on each line, found {line[:80]!r}; run "
            "`make lock`"
        )
    hashes = re.findall(r"sha256:([0-9a-f]{64})", found[3])
    return LockedPackage(found[1], found[2], tuple(sorted(hashes)))
