"""Whether a store may connect and be called: asked again before each call.

Fails closed: a list of revoked certificates that is missing or can't be read lets nobody in, or
removing a file would undo a revocation.
"""

import datetime
import pathlib
from collections.abc import Callable
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.transport.json_file import read_json_file
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.reread_files import RereadFiles
from tff_retail.transport.store_records import REVOKED, StoreRecord, StoreRecords


class Admission:
    """Reads what the fleet's commands wrote, again whenever a file changed.

    Args:
      stores: the records.
      revoked_path: of the list of revoked certificates.
      clock: gives the time, aware.
    """

    def __init__(
        self,
        stores: StoreRecords,
        revoked_path: pathlib.Path,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._revoked = RereadFiles([revoked_path], lambda: read_revoked(revoked_path))
        self._records: dict[str, RereadFiles[StoreRecord | None]] = {}

    def refusal(self, certificate: PeerCertificate) -> str | None:
        """Why the store may not be served; None where it may."""
        try:
            revoked, record = self._revoked.value(), self._record(certificate.name)
        except (ConfigurationError, OSError):
            return "headquarters can't read its list of stores; ask its operator to restore it"
        now = self._clock()
        if certificate.fingerprint in revoked or (record and record.state == REVOKED):
            return f"the certificate of {certificate.name} was revoked; ask for a new invitation"
        issued = record.certificate(certificate.fingerprint) if record else None
        if issued is None:
            return f"headquarters has no record of {certificate.name}'s certificate; join again"
        if now > min(issued.accepted_until, certificate.not_after):
            ended = f"{issued.accepted_until:%Y-%m-%d %H:%M} UTC"
            return f"{certificate.name}'s certificate ended at {ended}; ask for a new invitation"
        return None

    def _record(self, name: str) -> StoreRecord | None:
        if name not in self._records:
            path = self._stores.path(name)
            self._records[name] = RereadFiles([path], lambda: self._stores.read(name))
        return self._records[name].value()


def read_revoked(path: pathlib.Path) -> dict[str, Any]:
    """Revoked certificates: fingerprint to what is known of them.

    Raises:
      ConfigurationError: the file is missing or holds something else.
    """
    try:
        found = read_json_file(path)["certificates"]
    except (FileNotFoundError, KeyError) as error:
        raise ConfigurationError(
            f"{path} must list the revoked certificates, found none; restore it from a backup"
        ) from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} must list certificates, found {type(found).__name__}")
    return found
