"""The countersigned heads of one store's audit log in a file, a line each: kept by both sides.

<state_dir>/audit/countersigned.jsonl   at the store
<fleet>/heads/<store>.jsonl             at headquarters

All of them are kept, not the last alone: a log that was written anew and countersigned again later
contradicts the earlier ones. A line has headquarters' certificates where the one before had others.
"""

import json
import pathlib
from collections.abc import Iterator

from tff_retail.privacy.durable_file import DurableFile
from tff_retail.transport.countersigned_head import CountersignedHead

_CERTIFICATES = "certificates"
# The longest line: two certificates of 8,000 characters and the rest.
_MAX_LINE_BYTES = 32 * 1024


class HeadRecords:
    """The file of one store; for one writer at a time.

    Args:
      path: of the file; its folder is made where it is missing.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._file: DurableFile | None = None
        self._shown: tuple[str, ...] = ()
        self._last: CountersignedHead | None = None

    def all(self) -> Iterator[CountersignedHead]:
        """Every head, in the order in which they were countersigned; none where there is no file.

        Raises:
          OSError: the file can't be read.
          ValueError: a line is no countersigned head.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        shown: tuple[str, ...] = ()
        # What stands behind the last end of a line was not written to its end.
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            try:
                values = json.loads(line)
                shown = tuple(values.get(_CERTIFICATES, shown))
                yield CountersignedHead.from_json(values, shown)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise ValueError(f"{self._path.name} line {number}: {error}") from None

    def last(self) -> CountersignedHead | None:
        """The newest one, perhaps without its certificates; None before the first.

        Raises:
          OSError: the file can't be read.
          ValueError: it is none of countersigned heads.
        """
        if self._file is None:
            self._open()
        return self._last

    def append(self, signed: CountersignedHead) -> None:
        """Keeps a head, on the disk when this returns.

        Raises:
          OSError: it could not be kept.
          ValueError: the file is none of countersigned heads.
        """
        file = self._file or self._open()
        values = signed.to_json()
        if signed.certificates != self._shown:
            values[_CERTIFICATES] = list(signed.certificates)
        file.append(json.dumps(values, separators=(",", ":")).encode() + b"\n")
        file.close()  # headquarters has hundreds of them
        self._shown, self._last = signed.certificates, signed

    def _open(self) -> DurableFile:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size, line = _last_line(self._path)
        self._last = CountersignedHead.from_json(json.loads(line), ()) if line else None
        self._file = DurableFile(self._path, size)
        return self._file


def _last_line(path: pathlib.Path) -> tuple[int, bytes]:
    """Bytes of the whole lines, and the last of them."""
    try:
        with path.open("rb") as file:
            total = file.seek(0, 2)
            start = file.seek(max(0, total - 2 * _MAX_LINE_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return 0, b""
    end = tail.rfind(b"\n") + 1
    if not end and start:
        raise ValueError(f"{path.name} has a line that is too long")
    return start + end, tail[tail.rfind(b"\n", 0, max(0, end - 1)) + 1 : end]
