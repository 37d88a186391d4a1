"""What `store audit` prints: a store's audit log as a table or as JSON, and whether it holds."""

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography import x509

from tff_retail.config import ConfigurationError
from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_verification import AuditVerdict, KnownHead, verify_audit
from tff_retail.program.audit_sentence import audit_sentence
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.text_table import format_table
from tff_retail.transport.store_identity import StoreIdentity

_HEADER = ("entry", "time (UTC)", "event", "what", "bytes", "signed")
# Numbers to the right, words to the left.
_TO_LEFT = frozenset({0, 1, 2, 3})


class AuditReport:
    """A store's log and the heads that headquarters countersigned.

    Args:
      state_dir: of the store.
      heads: another record of heads, such as `fleet heads NAME` prints; in place of the store's.

    Raises:
      ConfigurationError: the store has not joined, or a file can't be read.
    """

    def __init__(self, state_dir: pathlib.Path, heads: pathlib.Path | None = None) -> None:
        identity = StoreIdentity.load(state_dir)
        self._name = identity.name
        self._root = x509.load_pem_x509_certificate(identity.client_tls().server_ca)
        self._folder = audit_folder(state_dir)
        self._records = heads or countersigned_path(state_dir)
        if not AuditFiles(self._folder).paths():
            raise ConfigurationError(
                f"--state_dir must be that of a store with an audit log, found none in "
                f"{str(self._folder)!r}; the daemon begins one when it starts"
            )
        if heads is not None and not heads.is_file():
            raise ConfigurationError(
                f"--heads must be what `fleet heads NAME` printed, found no file {str(heads)!r}"
            )
        self._heads, self._problems = self._known_heads()

    def verdict(self) -> AuditVerdict:
        """Whether the log is as it was written."""
        found = verify_audit(self._folder, self._heads)
        return dataclasses.replace(found, problems=(*self._problems, *found.problems))

    def verdict_text(self, found: AuditVerdict) -> str:
        """The same in sentences."""
        if found.problems:
            return "\n".join(("the audit log does not hold:", *found.problems))
        left = found.num_entries - found.num_countersigned
        signed = f"headquarters countersigned the first {found.num_countersigned:,}"
        if not self._heads:
            signed = "headquarters has countersigned none of them yet"
        elif left:
            signed += f", and not yet the last {left:,}"
        return "\n".join(
            (*found.remarks, f"the audit log holds: {found.num_entries:,} entries; {signed}")
        )

    def table(self, since: datetime.datetime | None) -> str:
        """The entries, a line each; those that are none are left to `verdict`."""
        entries = list(self._entries(since))
        if not entries:
            return "no entry"
        rows = [self._row(entry) for entry in entries]
        return format_table(_HEADER, rows, to_left=_TO_LEFT)

    def json_lines(self, since: datetime.datetime | None) -> Iterator[str]:
        """The entries, a JSON object each."""
        for entry in self._entries(since):
            values: dict[str, Any] = {
                "sequence": entry.sequence,
                "time": entry.time,
                "event": entry.event,
                **entry.fields,
                "hash": entry.hash,
                "is_countersigned": self._is_countersigned(entry),
            }
            yield json.dumps(values, ensure_ascii=False)

    def _row(self, entry: AuditEntry) -> Sequence[str]:
        num_bytes = entry.fields.get("bytes")
        return (
            str(entry.sequence),
            entry.time[:19].replace("T", " "),
            entry.event,
            audit_sentence(entry),
            f"{num_bytes:,}" if isinstance(num_bytes, int) else "",
            "yes" if self._is_countersigned(entry) else "no",
        )

    def _is_countersigned(self, entry: AuditEntry) -> bool:
        return entry.sequence <= max((head.sequence for head in self._heads), default=0)

    def _entries(self, since: datetime.datetime | None) -> Iterator[AuditEntry]:
        try:
            for line in AuditFiles(self._folder).lines():
                try:
                    entry = AuditEntry.parse(line.content)
                    is_in = since is None or datetime.datetime.fromisoformat(entry.time) >= since
                except (ValueError, TypeError):
                    continue
                if is_in:
                    yield entry
        except OSError as error:
            raise ConfigurationError(
                f"{self._folder} must be readable, found {error.strerror}; run this as the user "
                "whom the daemon runs as"
            ) from error

    def _known_heads(self) -> tuple[list[KnownHead], tuple[str, ...]]:
        """The heads whose signatures are good, and what is wrong with the others."""
        found, problems = [], []
        try:
            for number, signed in enumerate(HeadRecords(self._records).all(), 1):
                head = signed.head
                try:
                    signed.verify(self._root)
                    if head.store != self._name:
                        raise ValueError("it is of another store")
                    found.append(KnownHead(head.log, head.sequence, head.hash, signed.time))
                except ValueError as error:
                    problems.append(f"{self._records.name} line {number} is no proof: {error}")
        except (ValueError, OSError) as error:
            problems.append(f"what headquarters countersigned can't be read: {error}")
        return found, tuple(problems)


def audit_folder(state_dir: pathlib.Path) -> pathlib.Path:
    """Where a store's audit log lies."""
    return state_dir / "audit"


def countersigned_path(state_dir: pathlib.Path) -> pathlib.Path:
    """Where a store keeps the heads that headquarters countersigned."""
    return audit_folder(state_dir) / "countersigned.jsonl"
