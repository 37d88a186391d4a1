"""A store's audit log: append-only, each entry tied to all before it, on the disk before it counts.

`append` returns when the entry is on the disk, and only then may happen what it is about. A kill in
mid-write leaves a line without an end: it is cut off when the log is opened next, which is an entry
of its own, and it hides nothing that happened. A disk that was full is tried again each time.
"""

import contextlib
import datetime
import pathlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tff_retail.privacy.audit_end import AuditEnd
from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.privacy.durable_file import DurableFile

# Half a year of a busy store; an editor still opens it.
_MAX_FILE_BYTES = 16 * 1024 * 1024


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class AuditLog:
    """The log in a folder, for one writer at a time; from any thread.

    Args:
      path: of the folder; made where it is missing.
      now: gives the time, aware.
      max_file_bytes: the next file is begun before one gets larger.

    Raises:
      AuditUnwritable: the folder can't be used, or the log's end is none that was written here.
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        now: Callable[[], datetime.datetime] = _utc_now,
        max_file_bytes: int = _MAX_FILE_BYTES,
    ) -> None:
        self._files, self._now, self._max_file_bytes = AuditFiles(path), now, max_file_bytes
        self._lock = threading.Lock()
        with self._explained():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            end = self._found_end()
        self._file = DurableFile(end.path, end.size)
        self._sequence, self._hash, self._identity = end.sequence, end.hash, end.identity
        self._torn = end.torn
        self._unwritten, self._unwritten_since = 0, ""

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last entry that is on the disk; 0 and zeros before the first."""
        with self._lock:
            return self._sequence, self._hash

    @property
    def identity(self) -> str:
        """The hash of the first entry, which names this log; '' while there is none."""
        with self._lock:
            return self._identity

    def append(self, event: str, /, **fields: Any) -> None:
        """Puts an entry on the disk.

        Args:
          event: one word.
          **fields: what else is to be said, JSON values.

        Raises:
          AuditUnwritable: it is not there, and what it is about must not happen.
          ValueError: the fields make no entry.
        """
        with self._lock:
            entries = self._entries([*self._remarks(), (event, fields)])
            try:
                with self._explained():
                    self._write(b"".join(entry.line for entry in entries))
            except AuditUnwritable:
                self._unwritten_since = self._unwritten_since or entries[-1].time
                self._unwritten += 1
                raise
            self._sequence, self._hash = entries[-1].sequence, entries[-1].hash
            self._identity = self._identity or entries[0].hash
            self._torn, self._unwritten, self._unwritten_since = None, 0, ""

    def close(self) -> None:
        """Closes the file; the next entry opens it again."""
        with self._lock:
            self._file.close()

    def _remarks(self) -> list[tuple[str, dict[str, Any]]]:
        """What is to be said first: that the log begins, was torn, or could not be written."""
        remarks: list[tuple[str, dict[str, Any]]] = []
        if not self._sequence:
            remarks.append(("began", {"nonce": secrets.token_hex(16)}))  # no two logs alike
        if self._torn is not None:
            remarks.append(("torn", self._torn))
        if self._unwritten:
            missing = {"entries": self._unwritten, "since": self._unwritten_since}
            remarks.append(("unwritten", missing))
        return remarks

    def _entries(self, said: list[tuple[str, dict[str, Any]]]) -> list[AuditEntry]:
        time, previous, entries = self._now(), self._hash, []
        for sequence, (event, fields) in enumerate(said, self._sequence + 1):
            entries.append(AuditEntry.make(sequence, time, event, fields, previous=previous))
            previous = entries[-1].hash
        return entries

    def _write(self, lines: bytes) -> None:
        if self._file.size and self._file.size + len(lines) > self._max_file_bytes:
            self._file.close()
            self._file = DurableFile(self._files.next_path(), 0)
        self._file.append(lines)

    def _found_end(self) -> AuditEnd:
        try:
            return AuditEnd.find(self._files)
        except ValueError as error:
            raise AuditUnwritable(
                f"the audit log {self._files.folder} must end as it was written, found that "
                f"{error}; see what `store audit --verify` says, keep the folder under another "
                "name, and a new log is begun"
            ) from error

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditUnwritable(
                f"the audit log {self._files.folder} must be writable, found {error.strerror}; "
                "nothing leaves until it is"
            ) from error
