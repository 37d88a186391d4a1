"""Finds every edit, removal, reordering and insertion in an audit log, and names the line.

The chain alone shows what was changed without computing all later hashes anew, and nothing of what
is missing at the end; the heads that headquarters countersigned show the rest.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

from tff_retail.privacy.audit_entry import NO_HASH, AuditEntry
from tff_retail.privacy.audit_files import AuditFiles, AuditLine


@dataclasses.dataclass(frozen=True)
class KnownHead:
    """A head that headquarters countersigned, its signature found good.

    Attributes:
      log: hash of the log's first entry.
      sequence, hash: of the entry that was the last one then.
      time: of headquarters, ISO 8601.
    """

    log: str
    sequence: int
    hash: str
    time: str


@dataclasses.dataclass(frozen=True)
class AuditVerdict:
    """What was found.

    Attributes:
      problems: a sentence each, with file and line; none where all is as it was written.
      remarks: what is no fault of anybody's, such as a line that a kill left without an end.
      num_entries: that were read.
      num_countersigned: that stand before the last head that headquarters countersigned, and are
        what they were.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    num_entries: int
    num_countersigned: int


def verify_audit(folder: pathlib.Path, heads: Iterable[KnownHead]) -> AuditVerdict:
    """Checks a log that may be written meanwhile.

    Args:
      folder: of the log.
      heads: of one store, in any order, whatever log they are of.

    Raises:
      OSError: a file can't be read.
    """
    walk = _Walk(heads)
    for line in AuditFiles(folder).lines():
        walk.take(line)
    return walk.verdict()


class _Walk:
    """The check in progress; goes on behind a fault, to find the others."""

    def __init__(self, heads: Iterable[KnownHead]) -> None:
        self._heads: dict[int, list[KnownHead]] = {}
        for head in heads:
            self._heads.setdefault(head.sequence, []).append(head)
        self._problems: list[str] = []
        self._remarks: list[str] = []
        self._previous, self._sequence, self._log = NO_HASH, 0, ""
        self._num_entries, self._good_head = 0, 0

    def take(self, line: AuditLine) -> None:
        """Checks a line against those before it."""
        place = f"{line.path.name} line {line.number}"
        if line.is_torn:
            self._remarks.append(f"{place} has no end: its writer was killed, or writes it now")
            return
        try:
            entry = AuditEntry.parse(line.content)
        except ValueError as error:
            self._problems.append(f"{place} was changed: {error}")
            return
        self._num_entries += 1
        self._log = self._log or entry.hash
        if flaw := self._flaw(entry):
            self._problems.append(f"{place} {flaw}")
        else:
            self._check_heads(entry, place)
        self._previous, self._sequence = entry.hash, entry.sequence

    def verdict(self) -> AuditVerdict:
        """What was found, now that all lines were taken."""
        problems = [*self._problems, *self._missing_ends()]
        counted = self._good_head if not problems else 0
        return AuditVerdict(tuple(problems), tuple(self._remarks), self._num_entries, counted)

    def _flaw(self, entry: AuditEntry) -> str:
        expected, found = self._sequence + 1, entry.sequence
        if found > expected:
            missing = f"{expected} to {found - 1}" if found > expected + 1 else str(expected)
            return f"is entry {found}, but entry {missing} is missing before it"
        if found < expected:
            return f"is entry {found} where {expected} belongs: it was moved here, or put in"
        if not entry.follows(self._previous):
            return f"was changed, or what stood before it was: the hash of entry {found} is wrong"
        return ""

    def _check_heads(self, entry: AuditEntry, place: str) -> None:
        for head in self._heads.get(entry.sequence, ()):
            if head.log != self._log:
                continue
            if head.hash == entry.hash:
                self._good_head = entry.sequence
            else:
                self._problems.append(
                    f"{place} is not the entry {head.sequence} that headquarters countersigned at "
                    f"{head.time}: the log was written anew after entry {self._good_head}"
                )

    def _missing_ends(self) -> Sequence[str]:
        """Countersigned heads that lie behind the end, or in a log that is not here."""
        found = []
        last: dict[str, KnownHead] = {}
        for head in (head for heads in self._heads.values() for head in heads):
            if head.log not in last or last[head.log].sequence < head.sequence:
                last[head.log] = head
        for head in last.values():
            if head.log != self._log:
                found.append(
                    f"the log {head.log[:16]} is not here, whose entry {head.sequence} headquarters"
                    f" countersigned at {head.time}: it was removed, or is kept elsewhere"
                )
            elif head.sequence > self._sequence:
                found.append(
                    f"the log ends with entry {self._sequence}, but headquarters countersigned "
                    f"entry {head.sequence} at {head.time}: its end was removed"
                )
        return found
