"""Opens a store's audit log for its daemon."""

import hashlib
import pathlib
from collections.abc import Callable

from cryptography import x509

from tff_retail.config import ConfigurationError
from tff_retail.config.version import VERSION
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.program.audit_report import audit_folder, countersigned_path
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.store_audit import StoreAudit
from tff_retail.program.store_record import StoreRecord
from tff_retail.program.told_heads import ToldHeads
from tff_retail.transport.store_identity import StoreIdentity


def open_store_record(
    state: pathlib.Path,
    identity: StoreIdentity,
    *,
    server_address: str,
    policy: str | None,
    say: Callable[[str], None],
) -> StoreRecord:
    """The record of a daemon that starts now, which is its first entry.

    Args:
      state: directory of the store.
      identity: of the store.
      server_address: that it dials.
      policy: file of the release policy; None for the default one.
      say: told what concerns the operator.

    Raises:
      ConfigurationError: the log can't be opened, or its end is none that was written here.
    """
    try:
        log = AuditLog(audit_folder(state))
    except AuditUnwritable as error:
        raise ConfigurationError(str(error)) from error
    audit = StoreAudit(log, say=say)
    root = x509.load_pem_x509_certificate(identity.client_tls().server_ca)
    records = HeadRecords(countersigned_path(state))
    heads = ToldHeads(log, records, audit, store=identity.name, root=root, say=say)
    if flaw := heads.missing_end():
        say(flaw)
    audit.note(
        "started",
        software=f"tff_retail {VERSION}",
        store=identity.name,
        chain=identity.chain_id,
        certificate=identity.certificate.fingerprint,
        headquarters=server_address,
        policy=None if policy is None else _digest(pathlib.Path(policy)),
    )
    return StoreRecord(audit, heads)


def _digest(path: pathlib.Path) -> str:
    try:
        return hashlib.sha256(path.expanduser().read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"--policy must be a readable file, found {str(path)!r} ({error.strerror})"
        ) from error
