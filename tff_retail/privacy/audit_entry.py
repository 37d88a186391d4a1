"""An entry of the audit log as a line, and the hash that ties it to all lines before it.

    {"entry":{"event":"started",…,"sequence":7,"time":"2026-11-21T12:00:00.000Z"},"hash":"…"}

The hash is SHA-256, in hexadecimal, over the hash of the line before (64 characters; zeros before
the first line) and the bytes of the entry as they stand in the line. So another tool needs no JSON
to check it; docs/audit.md has ten lines that do.
"""

import dataclasses
import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# Stands for the hash of the line before the first one.
NO_HASH = "0" * 64
# What the daemon writes has less than 2 KiB; more is no entry, and no reader needs to hold it.
MAX_LINE_BYTES = 64 * 1024

_BEFORE, _BETWEEN, _AFTER = b'{"entry":', b',"hash":"', b'"}\n'
_LINE = re.compile(
    re.escape(_BEFORE) + rb"(\{.*\})" + re.escape(_BETWEEN) + rb"([0-9a-f]{64})" + re.escape(_AFTER)
)
_OWN_FIELDS = frozenset({"sequence", "time", "event"})


@dataclasses.dataclass(frozen=True)
class AuditEntry:
    """An entry as it stands in the log.

    Attributes:
      sequence: 1 for the first entry of a log; the next has one more.
      time: UTC, ISO 8601 to the millisecond; as the machine's clock said.
      event: one word.
      fields: what else is said, JSON values by name.
      content: the bytes that are hashed.
      hash: SHA-256 in hexadecimal, as the line says.
    """

    sequence: int
    time: str
    event: str
    fields: Mapping[str, Any]
    content: bytes
    hash: str

    @classmethod
    def make(
        cls,
        sequence: int,
        time: datetime.datetime,
        event: str,
        fields: Mapping[str, Any],
        *,
        previous: str,
    ) -> "AuditEntry":
        """The entry that follows the one with the hash `previous`.

        Raises:
          ValueError: a field has a name of the entry's own, is no JSON, or the line is too long.
        """
        if taken := sorted(_OWN_FIELDS & set(fields)):
            raise ValueError(f"a field of an entry must not be named {taken[0]}")
        moment = f"{time.astimezone(datetime.UTC).replace(tzinfo=None):%Y-%m-%dT%H:%M:%S.%f}"
        text = f"{moment[:-3]}Z"
        values = {**fields, "sequence": sequence, "time": text, "event": event}
        content = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode(
            "ascii"
        )
        found = cls(sequence, text, event, fields, content, _hash(previous, content))
        if len(found.line) > MAX_LINE_BYTES:
            raise ValueError(
                f"an entry must have at most {MAX_LINE_BYTES} bytes, has {len(found.line)}"
            )
        return found

    @classmethod
    def parse(cls, line: bytes) -> "AuditEntry":
        """The entry of a line with its end; whether the hash is right is another question.

        Raises:
          ValueError: it is no line of an audit log.
        """
        match = _LINE.fullmatch(line)
        if match is None or len(line) > MAX_LINE_BYTES:
            raise ValueError("it does not have the form of an entry")
        try:
            values = json.loads(match[1])
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        own = [values.pop(name, None) for name in ("sequence", "time", "event")]
        sequence, time, event = own
        if type(sequence) is not int or not isinstance(time, str) or not isinstance(event, str):
            raise ValueError("it must have a sequence, a time and an event")
        return cls(sequence, time, event, values, match[1], match[2].decode())

    @property
    def line(self) -> bytes:
        """As it stands in the log, with its end."""
        return b"".join((_BEFORE, self.content, _BETWEEN, self.hash.encode(), _AFTER))

    def follows(self, previous: str) -> bool:
        """Whether the hash is that of this content after the hash `previous`."""
        return self.hash == _hash(previous, self.content)


def _hash(previous: str, content: bytes) -> str:
    return hashlib.sha256(previous.encode() + content).hexdigest()
