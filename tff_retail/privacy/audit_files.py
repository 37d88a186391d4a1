"""The files of an audit log: `log-00001.jsonl` and so on, one chain through all of them.

Nothing in them is ever changed, and they stay where they are: a year of a busy store has some
30 MB. Who needs the room moves the whole folder away, and the daemon begins a new log.
"""

import itertools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from tff_retail.privacy.audit_entry import MAX_LINE_BYTES

_NAME = re.compile(r"log-(\d{5,})\.jsonl")


class AuditLine(NamedTuple):
    """A line of the log, with its end where it has one."""

    path: pathlib.Path
    number: int
    content: bytes

    @property
    def is_torn(self) -> bool:
        """Whether its writer was killed: an entry counts when its end is on the disk."""
        return not self.content.endswith(b"\n") and len(self.content) <= MAX_LINE_BYTES


class AuditFiles:
    """The folder of a log, to be read.

    Args:
      folder: that has the files; it need not be there.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def paths(self) -> list[pathlib.Path]:
        """The files, the oldest first."""
        found = [(_NAME.fullmatch(path.name), path) for path in self.folder.glob("log-*.jsonl")]
        numbered = [(int(match[1]), path) for match, path in found if match is not None]
        return [path for _, path in sorted(numbered)]

    def next_path(self) -> pathlib.Path:
        """The file after the last one."""
        paths = self.paths()
        match = _NAME.fullmatch(paths[-1].name) if paths else None
        number = int(match[1]) + 1 if match is not None else 1
        return self.folder / f"log-{number:05}.jsonl"

    def lines(self) -> Iterator[AuditLine]:
        """All lines in order; one that is longer than an entry comes in pieces.

        Raises:
          OSError: a file can't be read.
        """
        for path in self.paths():
            with path.open("rb") as file:
                for number in itertools.count(1):
                    content = file.readline(MAX_LINE_BYTES + 1)
                    if not content:
                        break
                    yield AuditLine(path, number, content)
