"""What an operator decides of stores: invite, revoke, have renewed; no authority's key needed."""

import dataclasses
import datetime

from tff_retail.config import ConfigurationError, require_address
from tff_retail.transport.admission import read_revoked
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.invitations import Invitations
from tff_retail.transport.join_token import JoinToken
from tff_retail.transport.json_file import write_json_file
from tff_retail.transport.store_name import checked_store_name
from tff_retail.transport.store_records import ACTIVE, REVOKED, StoreRecord


def invite_store(
    fleet: FleetFolder, name: str, life: datetime.timedelta, address: str = ""
) -> JoinToken:
    """A token that lets one machine join as `name`, until `life` from now.

    Args:
      fleet: that it joins.
      name: of the store.
      life: of the token.
      address: of the enrolment listener, where it is not the fleet's.

    Raises:
      ConfigurationError: no store can have that name, or it has joined already.
    """
    name = _checked(name)
    require_address("enrolment_address", address or fleet.enrolment_address)
    with fleet.changing():
        if fleet.stores.is_active(name):
            raise ConfigurationError(
                f"NAME must be new to the fleet, found {name!r} with a certificate; `fleet revoke` "
                "it first if it lost its key"
            )
        expires = fleet.clock() + life
        identifier, secret = _invitations(fleet).invite(name, expires)
    fingerprint = bytes.fromhex(fleet.chain_id)
    return JoinToken(identifier, secret, fingerprint, address or fleet.enrolment_address, name)


def revoke_store(fleet: FleetFolder, name: str, reason: str = "") -> int:
    """Ends every certificate and open invitation of a store, from the coordinator's next call on.

    Returns:
      How many certificates ended.

    Raises:
      ConfigurationError: there is no such store.
    """
    name = _checked(name)
    with fleet.changing():
        withdrawn = _invitations(fleet).withdraw(name)
        record = fleet.stores.read(name)
        if record is None and withdrawn:
            return 0
        return _revoke(fleet, _existing(record, name), reason)


def want_renewal(fleet: FleetFolder, name: str) -> None:
    """Has a store's daemon ask for a new certificate within the hour.

    Raises:
      ConfigurationError: there is no such store, or it was revoked.
    """
    name = _checked(name)
    with fleet.changing():
        record = _existing(fleet.stores.read(name), name)
        if record.state != ACTIVE:
            raise ConfigurationError(
                f"NAME must be a store that may connect, found {name!r}, which is revoked; "
                "`fleet invite` it again"
            )
        fleet.stores.write(dataclasses.replace(record, is_renewal_wanted=True))


def waiting_invitations(fleet: FleetFolder) -> dict[str, datetime.datetime]:
    """Names that were invited and have not joined: name to the end of the invitation."""
    return _invitations(fleet).waiting(fleet.clock())


def _revoke(fleet: FleetFolder, record: StoreRecord, reason: str) -> int:
    now, path = fleet.clock(), fleet.path / "revoked.json"
    revoked = read_revoked(path)
    ended = {
        certificate.fingerprint: {
            "name": record.name,
            "serial": certificate.serial,
            "revoked_at": now.isoformat(),
            "reason": reason,
        }
        for certificate in record.certificates
        if certificate.fingerprint not in revoked
    }
    write_json_file(path, {"certificates": {**revoked, **ended}})
    # Here too, so that a list of revoked certificates that was emptied lets no old one in.
    certificates = tuple(
        dataclasses.replace(c, accepted_until=min(c.accepted_until, now))
        for c in record.certificates
    )
    fleet.stores.write(dataclasses.replace(record, state=REVOKED, certificates=certificates))
    return len(ended)


def _existing(record: StoreRecord | None, name: str) -> StoreRecord:
    if record is None:
        raise ConfigurationError(
            f"NAME must be a store of the fleet, found {name!r}; `fleet list` shows them"
        )
    return record


def _checked(name: str) -> str:
    try:
        return checked_store_name(name)
    except ValueError as error:
        raise ConfigurationError(f"NAME: {error}; choose another") from error


def _invitations(fleet: FleetFolder) -> Invitations:
    return Invitations(fleet.path / "invitations")
