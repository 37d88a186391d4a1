"""Issues certificates to stores and to headquarters; holds the intermediate authority's key.

The coordinator does without it: enrolment and renewal are another process's, `fleet
serve-enrolment`.
"""

import dataclasses
import datetime

from cryptography.hazmat.primitives.asymmetric import ec

from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.authority_files import is_headquarters_due, renew_headquarters
from tff_retail.transport.certificate_request import read_certificate_request
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.invitations import Invitations
from tff_retail.transport.issued_identity import IssuedIdentity
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.store_records import ACTIVE, IssuedCertificate, StoreRecord

# How long a store's former certificate still holds: its daemon finishes the round it is in, and one
# that never got the answer to its request can ask again.
_OVERLAP = datetime.timedelta(days=7)
# A daemon that renews more often than once a day is broken or hostile.
_MAX_CERTIFICATES = 8


class CertificateOffice:
    """Joins, renewals and approvals of one fleet.

    Args:
      fleet: whose.
      authority: the intermediate one.
    """

    def __init__(self, fleet: FleetFolder, authority: Authority) -> None:
        self.fleet = fleet
        self._authority = authority
        self._invitations = Invitations(fleet.path / "invitations")

    def join(self, identifier: str, secret: str, request: bytes) -> IssuedIdentity:
        """A certificate for who holds an invitation, which is used up by it.

        Raises:
          EnrolmentRefused: the token or the request is not good; the sentence may be shown.
        """
        with self.fleet.changing():
            now = self.fleet.clock()
            name = self._invitations.check(identifier, secret, now)
            self._require_free(name)
            key = _requested_key(request, {None, name})
            # First: better an invitation lost than one that is good twice.
            self._invitations.use(identifier, now)
            return self._enter(name, key, now)

    def approve(self, request: bytes) -> IssuedIdentity:
        """A certificate for the store that a request by file names; the operator vouches for it.

        Raises:
          EnrolmentRefused: the request is not good, or the store has a certificate.
        """
        with self.fleet.changing():
            key, name = _read_request(request)
            if name is None:
                raise EnrolmentRefused("no_name", "the request must name its store, found no name")
            self._require_free(name)
            return self._enter(name, key, self.fleet.clock())

    def renew(self, certificate: PeerCertificate, request: bytes) -> IssuedIdentity:
        """A new certificate for the holder of `certificate`.

        Raises:
          EnrolmentRefused: the store is not welcome, or the request is not good.
        """
        with self.fleet.changing():
            if reason := self.fleet.is_welcome(certificate):
                raise EnrolmentRefused("not_welcome", reason)
            key = _requested_key(request, {certificate.name})
            record = self.fleet.stores.read(certificate.name)
            assert record is not None
            return self._issue(record, key, self.fleet.clock())

    def is_renewal_wanted(self, certificate: PeerCertificate) -> bool:
        """Whether `fleet rotate` asked for a new certificate of this store.

        Raises:
          EnrolmentRefused: the store is not welcome.
        """
        if reason := self.fleet.is_welcome(certificate):
            raise EnrolmentRefused("not_welcome", reason)
        record = self.fleet.stores.read(certificate.name)
        return record is not None and record.is_renewal_wanted

    def renew_headquarters_if_due(self) -> datetime.datetime | None:
        """Renews headquarters' own certificate where it ends soon; the new end, or None."""
        if not is_headquarters_due(self.fleet):
            return None
        return renew_headquarters(self.fleet, self._authority)

    def _require_free(self, name: str) -> None:
        if self.fleet.stores.is_active(name):
            raise EnrolmentRefused(
                "already_joined",
                f"{name} has a certificate already; if it lost its key, `fleet revoke` it first",
            )

    def _enter(
        self, name: str, key: ec.EllipticCurvePublicKey, now: datetime.datetime
    ) -> IssuedIdentity:
        former = self.fleet.stores.read(name)
        certificates = former.certificates if former else ()
        return self._issue(StoreRecord(name, ACTIVE, now, certificates), key, now)

    def _issue(
        self, record: StoreRecord, key: ec.EllipticCurvePublicKey, now: datetime.datetime
    ) -> IssuedIdentity:
        kept = tuple(
            dataclasses.replace(c, accepted_until=min(c.accepted_until, now + _OVERLAP))
            for c in record.certificates
            if c.accepted_until > now
        )
        if len(kept) >= _MAX_CERTIFICATES:
            raise EnrolmentRefused(
                "too_often",
                f"{record.name} was given {len(kept)} certificates within {_OVERLAP.days} days; "
                "find out what asks for them, and try again later",
            )
        certificate = self._authority.issue_store(key, record.name, now)
        issued = (*kept, IssuedCertificate.of(certificate, now))
        record = dataclasses.replace(record, certificates=issued, is_renewal_wanted=False)
        self.fleet.stores.write(record)
        return IssuedIdentity(
            name=record.name,
            chain=certificate_pem(certificate, self._authority.certificate).decode(),
            root=certificate_pem(self.fleet.root_certificate).decode(),
            manifest_key=self.fleet.manifest_key_pem.decode(),
            server_address=self.fleet.server_address,
            enrolment_address=self.fleet.enrolment_address,
        )


def _requested_key(request: bytes, allowed: set[str | None]) -> ec.EllipticCurvePublicKey:
    key, name = _read_request(request)
    if name not in allowed:
        raise EnrolmentRefused(
            "other_name", f"the request must be for {_names(allowed)}, found {name!r}"
        )
    return key


def _read_request(request: bytes) -> tuple[ec.EllipticCurvePublicKey, str | None]:
    try:
        return read_certificate_request(request)
    except ValueError as error:
        raise EnrolmentRefused("bad_request", str(error)) from error


def _names(allowed: set[str | None]) -> str:
    return " or ".join(sorted(repr(name) for name in allowed if name is not None))
