"""What headquarters keeps of each store: which certificates it was given, and whether they hold.

One file a store, `<fleet>/stores/<name>.json`, replaced as a whole, so that a running coordinator
sees what `fleet revoke` did at its next call.
"""

import dataclasses
import datetime
import pathlib
from typing import Any

from cryptography import x509

from tff_retail.config import ConfigurationError
from tff_retail.transport.json_file import read_json_file, write_json_file
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.store_name import checked_store_name

ACTIVE, REVOKED = "active", "revoked"


@dataclasses.dataclass(frozen=True)
class IssuedCertificate:
    """A certificate that a store was given.

    Attributes:
      serial: number in hexadecimal.
      fingerprint: SHA-256 in hexadecimal.
      issued_at: aware, UTC.
      accepted_until: its end, or earlier once another one took its place.
    """

    serial: str
    fingerprint: str
    issued_at: datetime.datetime
    accepted_until: datetime.datetime

    @classmethod
    def of(cls, certificate: x509.Certificate, now: datetime.datetime) -> "IssuedCertificate":
        """What to keep of `certificate`, issued at `now`."""
        peer = PeerCertificate.of(certificate)
        return cls(peer.serial, peer.fingerprint, now, peer.not_after)


@dataclasses.dataclass(frozen=True)
class StoreRecord:
    """A store of the fleet.

    Attributes:
      name: of the store.
      state: `active` or `revoked`.
      joined_at: when it got its first certificate; aware, UTC.
      certificates: that it was given, the newest last.
      is_renewal_wanted: whether its daemon is to ask for a new certificate now.
    """

    name: str
    state: str
    joined_at: datetime.datetime
    certificates: tuple[IssuedCertificate, ...]
    is_renewal_wanted: bool = False

    def certificate(self, fingerprint: str) -> IssuedCertificate | None:
        """The one with this fingerprint, if the store was ever given it."""
        return next((c for c in self.certificates if c.fingerprint == fingerprint), None)


class StoreRecords:
    """The folder of the records."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def path(self, name: str) -> pathlib.Path:
        """The file of a store.

        Raises:
          ValueError: no store can have this name.
        """
        return self.folder / f"{checked_store_name(name)}.json"

    def read(self, name: str) -> StoreRecord | None:
        """The record; None where there is no such store.

        Raises:
          ConfigurationError: the file holds something else.
          ValueError: no store can have this name.
        """
        path = self.path(name)
        try:
            values = read_json_file(path)
        except FileNotFoundError:
            return None
        try:
            return _from_json(values)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{path} must be the record of a store, found {error}; restore it from a backup"
            ) from error

    def is_active(self, name: str) -> bool:
        """Whether the store has joined and was not revoked.

        Raises:
          ConfigurationError: its file holds something else.
        """
        record = self.read(name)
        return record is not None and record.state == ACTIVE

    def write(self, record: StoreRecord) -> None:
        """Replaces the record.

        Raises:
          OSError: it can't be written.
        """
        write_json_file(self.path(record.name), _to_json(record))

    def all(self) -> list[StoreRecord]:
        """Every store, by name.

        Raises:
          ConfigurationError: a file holds something else.
        """
        found = [self.read(path.stem) for path in sorted(self.folder.glob("*.json"))]
        return [record for record in found if record is not None]


def _to_json(record: StoreRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "state": record.state,
        "joined_at": record.joined_at.isoformat(),
        "is_renewal_wanted": record.is_renewal_wanted,
        "certificates": [
            {
                "serial": issued.serial,
                "fingerprint": issued.fingerprint,
                "issued_at": issued.issued_at.isoformat(),
                "accepted_until": issued.accepted_until.isoformat(),
            }
            for issued in record.certificates
        ],
    }


def _from_json(values: dict[str, Any]) -> StoreRecord:
    if values["state"] not in (ACTIVE, REVOKED):
        raise ValueError(f"the state {values['state']!r}")
    return StoreRecord(
        name=values["name"],
        state=values["state"],
        joined_at=datetime.datetime.fromisoformat(values["joined_at"]),
        is_renewal_wanted=values["is_renewal_wanted"],
        certificates=tuple(
            IssuedCertificate(
                serial=issued["serial"],
                fingerprint=issued["fingerprint"],
                issued_at=datetime.datetime.fromisoformat(issued["issued_at"]),
                accepted_until=datetime.datetime.fromisoformat(issued["accepted_until"]),
            )
            for issued in values["certificates"]
        ),
    )
