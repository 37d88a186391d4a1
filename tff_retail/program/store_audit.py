"""What a store's daemon puts on record: off its event loop, one entry after the other.

Whoever awaits `write` knows that the entry is on the disk. While the log can't be written nothing
leaves the store, the operator is told once, and it is tried again each time.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_unwritable import AuditUnwritable

T = TypeVar("T")

# What headquarters can make happen as often as it likes is one entry a minute: a flood of calls
# must not fill the disk.
_SUMMED_S = 60.0
# Of such things, before those are forgotten that wait for nothing.
_MAX_KINDS = 256

_Said = tuple[str, dict[str, Any]]


@dataclasses.dataclass
class _Repeated:
    """What happens again and again, and was not written yet."""

    event: str
    fields: dict[str, Any]
    count: int = 0
    written_s: float = float("-inf")

    def take(self, now_s: float) -> _Said:
        """The entry of all of it."""
        said = self.event, {**self.fields, "times": self.count}
        self.count, self.written_s = 0, now_s
        return said


class StoreAudit:
    """The audit log of a daemon; used on its event loop.

    Args:
      log: of the store.
      say: told when the log can't be written, and when it can again.
      clock: seconds that never go back.
    """

    def __init__(
        self,
        log: AuditLog,
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._say, self._clock = log, say, clock
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "audit")
        self._repeated: dict[tuple[str, str], _Repeated] = {}
        self._num_reports, self._reports = 0, hashlib.sha256()
        self._num_written_reports = 0
        self._is_failing = False

    @property
    def is_failing(self) -> bool:
        """Whether the last entry could not be written."""
        return self._is_failing

    async def write(self, event: str, /, **fields: Any) -> None:
        """Puts an entry on the disk, and before it what was only counted so far.

        Raises:
          AuditUnwritable: it is not there, so that what it is about must not happen.
        """
        counted = [one for one in self._repeated.values() if one.count]
        now_s, num_reports = self._clock(), self._num_reports
        said = [one.take(now_s) for one in counted]
        try:
            mine = (event, {**fields, **self._counted_reports()})
            await self.on_thread(lambda: self._append([*said, mine]))
        except AuditUnwritable:
            for one, (_, lost) in zip(counted, said, strict=True):
                one.count += lost["times"]
            raise
        self._num_written_reports = num_reports

    def note(self, event: str, /, **fields: Any) -> None:
        """Likewise for what nothing has to wait for."""
        self._thread.submit(self._append_if_possible, [(event, fields)])

    def repeated(self, event: str, key: str, /, **fields: Any) -> None:
        """Notes what headquarters can make happen at will; again within a minute, it is counted.

        Args:
          event: one word.
          key: what makes it the same.
          **fields: of the last time; there must be few different ones of a key.
        """
        found = self._repeated.setdefault((event, key), _Repeated(event, fields))
        found.fields, found.count = fields, found.count + 1
        now_s = self._clock()
        if now_s - found.written_s >= _SUMMED_S:
            said_event, said = found.take(now_s)
            self.note(said_event, **said)
        if len(self._repeated) > _MAX_KINDS:
            self._repeated = {name: one for name, one in self._repeated.items() if one.count}

    def reported(self, header: Mapping[str, Any]) -> None:
        """Counts what the store told headquarters of itself; the next `write` says so."""
        self._num_reports += 1
        self._reports.update(json.dumps(header, sort_keys=True).encode())

    async def on_thread(self, work: Callable[[], T]) -> T:
        """Does something after all that is being written, and off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Writes the last entry, and closes the log."""
        with contextlib.suppress(AuditUnwritable):
            await self.write("stopped")
        await self.on_thread(self._log.close)
        self._thread.shutdown(wait=False)

    def _append(self, said: list[_Said]) -> None:
        """On the thread."""
        try:
            for event, fields in said:
                self._log.append(event, **fields)
        except AuditUnwritable as error:
            if not self._is_failing:
                self._is_failing = True
                self._say(str(error))
            raise
        if self._is_failing:
            self._is_failing = False
            self._say("the audit log is written again")

    def _append_if_possible(self, said: list[_Said]) -> None:
        with contextlib.suppress(AuditUnwritable):
            self._append(said)

    def _counted_reports(self) -> dict[str, Any]:
        """All of them since the start, where there are more than the last time."""
        if self._num_reports == self._num_written_reports:
            return {}
        return {"reports": {"count": self._num_reports, "sha256": self._reports.hexdigest()}}
