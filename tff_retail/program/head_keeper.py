"""Headquarters countersigns the heads of its stores' audit logs, and keeps them for good.

`<fleet>/heads/<store>.jsonl` has every head that was countersigned. A store whose log went back is
not countersigned: the operator is told, and the work goes on.
"""

import asyncio
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.program.head_records import HeadRecords
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.store_link import StoreLink
from tff_retail.transport.store_name import checked_store_name


class HeadKeeper:
    """Signs one head after the other; used on the server's event loop.

    Args:
      folder: of the fleet.
      say: told once of each store whose head is not countersigned, and why.
    """

    def __init__(self, folder: FleetFolder, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._records: dict[str, HeadRecords] = {}
        self._refusals: dict[str, str] = {}
        self._turn = asyncio.Lock()

    async def take(self, link: StoreLink, header: Mapping[str, Any]) -> None:
        """Countersigns the head that a store told after an acknowledgement, off the loop.

        Raises:
          LinkLost: the store has gone.
        """
        head = AuditHead(
            store=link.name,
            chain=self._folder.chain_id,
            log=header["log"],
            sequence=header["sequence"],
            hash=header["hash"],
        )
        async with self._turn:
            signed = await asyncio.to_thread(self._signed, head)
        if signed is not None:
            await link.countersign(signed)

    def _signed(self, head: AuditHead) -> CountersignedHead | None:
        try:
            records = self._records.setdefault(
                head.store, HeadRecords(heads_path(self._folder, head.store))
            )
            last = records.last()
            if flaw := _contradiction(_last_of_log(records, head.log), head):
                raise ValueError(flaw)
            signed = CountersignedHead.sign(
                head, time=self._folder.clock(), tls=self._folder.reloaded_server_tls()
            )
            records.append(signed)  # first: a store must never have one that is not kept here
        except (OSError, ValueError, ConfigurationError) as error:
            self._refuse(head.store, str(error))
            return None
        self._refusals.pop(head.store, None)
        if last is not None and last.head.log != head.log:
            self._say(f"{head.store} has begun a new audit log; its store must keep the old one")
        return signed

    def _refuse(self, store: str, reason: str) -> None:
        if self._refusals.get(store) != reason:
            self._refusals[store] = reason
            self._say(f"the audit log of {store} was not countersigned: {reason}")


def heads_path(folder: FleetFolder, store: str) -> pathlib.Path:
    """Where headquarters keeps a store's heads.

    Raises:
      ValueError: no store can have this name.
    """
    return folder.path / "heads" / f"{checked_store_name(store)}.jsonl"


def _last_of_log(records: HeadRecords, log: str) -> AuditHead | None:
    """The head of a log that was countersigned last, be it before one of another log."""
    last = records.last()
    if last is None or last.head.log == log:
        return None if last is None else last.head
    heads = [kept.head for kept in records.all() if kept.head.log == log]
    return heads[-1] if heads else None


def _contradiction(last: AuditHead | None, head: AuditHead) -> str:
    """How a head can't follow the one of its log that was countersigned last; '' where it can."""
    if last is None:
        return ""
    if head.sequence < last.sequence:
        return (
            f"it went back from entry {last.sequence} to {head.sequence}; it was cut off, or "
            "restored from a backup"
        )
    if head.sequence == last.sequence and head.hash != last.hash:
        return f"its entry {head.sequence} has changed since it was countersigned"
    return ""
