"""Where an audit log ends, as a writer finds it after a restart."""

import dataclasses
import hashlib
import pathlib
from typing import Any

from tff_retail.privacy.audit_entry import MAX_LINE_BYTES, NO_HASH, AuditEntry
from tff_retail.privacy.audit_files import AuditFiles


@dataclasses.dataclass(frozen=True)
class AuditEnd:
    """What has to be known to go on.

    Attributes:
      path: of the file to go on with.
      size: its bytes up to the end of its last whole line.
      sequence, hash: of the last entry; 0 and zeros where there is none.
      identity: hash of the first entry; '' where there is none.
      torn: bytes and SHA-256 of a line that its writer did not finish; None where all are whole.
    """

    path: pathlib.Path
    size: int
    sequence: int = 0
    hash: str = NO_HASH
    identity: str = ""
    torn: dict[str, Any] | None = None

    @classmethod
    def find(cls, files: AuditFiles) -> "AuditEnd":
        """The end of a log.

        Raises:
          OSError: it can't be read.
          ValueError: its last line or its first is none of an audit log.
        """
        paths = files.paths()
        if not paths:
            return cls(files.next_path(), 0)
        size, _, torn = _ending(paths[-1])
        # A writer that was killed may have made the last file and written nothing in it.
        last = next((line for line in map(_last_line, reversed(paths)) if line), b"")
        found = cls(paths[-1], size, torn=torn)
        if not last:
            return found
        entry, first = AuditEntry.parse(last), AuditEntry.parse(next(files.lines()).content)
        return dataclasses.replace(
            found, sequence=entry.sequence, hash=entry.hash, identity=first.hash
        )


def _last_line(path: pathlib.Path) -> bytes:
    return _ending(path)[1]


def _ending(path: pathlib.Path) -> tuple[int, bytes, dict[str, Any] | None]:
    """Bytes of the whole lines, the last of them, and what stands behind it."""
    with path.open("rb") as file:
        total = file.seek(0, 2)
        start = file.seek(max(0, total - 2 * MAX_LINE_BYTES))
        tail = file.read()
    end = tail.rfind(b"\n") + 1
    if not end and start:
        raise ValueError(f"the last line of {path.name} is longer than an entry")
    behind = tail[end:]
    torn = {"bytes": len(behind), "sha256": hashlib.sha256(behind).hexdigest()}
    begin = tail.rfind(b"\n", 0, max(0, end - 1)) + 1
    return start + end, tail[begin:end], torn if behind else None
