"""The heads of its audit log that a store told headquarters, and what came of them.

A head is told after each round that headquarters acknowledged. What it signed is kept in a file of
its own, so that the log can't be cut off or written anew behind it without being found. Where
headquarters does not sign, the store works on: `store audit` shows what is not countersigned.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tff_retail.privacy.audit_log import AuditLog
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.store_audit import StoreAudit
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_faults import LinkLost

# Headquarters may sign late; what it has not signed by then it never will.
_MAX_TOLD = 100


class ToldHeads:
    """The store's half of countersigning.

    Args:
      log: whose heads are told.
      records: of those that were countersigned.
      audit: whose thread is used.
      store: its name.
      root: certificate of the chain.
      say: told of a signature that is of no use.
    """

    def __init__(
        self,
        log: AuditLog,
        records: HeadRecords,
        audit: StoreAudit,
        *,
        store: str,
        root: x509.Certificate,
        say: Callable[[str], None],
    ) -> None:
        self._log, self._records, self._audit = log, records, audit
        self._store, self._root, self._say = store, root, say
        self._chain = root.fingerprint(hashes.SHA256()).hex()
        self._told: dict[tuple[str, int, str], None] = {}
        self._kept: tuple[str, int, str] | None = None
        self._certificate = ""

    def missing_end(self) -> str:
        """What to say where the log ends before what headquarters countersigned; '' elsewhere."""
        try:
            last = self._records.last()
        except (ValueError, OSError) as error:
            return f"what headquarters countersigned of the audit log can't be read: {error}"
        ends = self._log.head[0]
        if last is None or last.head.log != self._log.identity or last.head.sequence <= ends:
            return ""
        return (
            f"the audit log ends with entry {ends}, but headquarters countersigned entry "
            f"{last.head.sequence}: see `store audit --verify`"
        )

    async def tell(self, link: HeadquartersLink) -> None:
        """Tells the last entry, once it is another one, where the link's version has that."""
        if not link.countersigns:
            return
        log, (sequence, entry_hash) = await self._audit.on_thread(
            lambda: (self._log.identity, self._log.head)
        )
        if not sequence or self._kept == (log, sequence, entry_hash):
            return
        with contextlib.suppress(LinkLost):
            link.tell_head(log, sequence, entry_hash)
            self._told[log, sequence, entry_hash] = None
            while len(self._told) > _MAX_TOLD:
                del self._told[next(iter(self._told))]

    async def take(self, header: Mapping[str, Any]) -> None:
        """Keeps what headquarters countersigned, if the signature is good and of a told head."""
        signed = CountersignedHead.from_header(header, store=self._store, chain=self._chain)
        try:
            key = (signed.head.log, signed.head.sequence, signed.head.hash)
            if key not in self._told:
                raise ValueError("it is of a head that was not told")
            await self._audit.on_thread(lambda: self._keep(signed))
            self._told.pop(key, None)
            self._kept = key
        except (ValueError, OSError) as error:
            self._say(f"headquarters' signature under the audit log is of no use: {error}")

    def _keep(self, signed: CountersignedHead) -> None:
        signed.verify(self._root)
        self._records.append(signed)
        fingerprint = signed.certificate_fingerprint
        if fingerprint != self._certificate:  # once a start, and when it is renewed
            self._certificate = fingerprint
            self._audit.note("countersigned", certificate=fingerprint, entry=signed.head.sequence)
