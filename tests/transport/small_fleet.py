"""A fleet in a folder, with a clock that a test moves."""

import datetime
import pathlib

from tff_retail.transport.authority_files import read_intermediate
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.certificate_request import make_certificate_request
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.private_key import make_certificate_key
from tff_retail.transport.store_admittance import invite_store

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


class Clock:
    """A time that stands still until a test moves it; the true one at first."""

    def __init__(self):
        self.now = datetime.datetime.now(datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def move(self, by: datetime.timedelta):
        self.now += by


class SmallFleet:
    """A fleet, its office, and a short way to a certificate."""

    def __init__(self, path: pathlib.Path, pass_phrase: bytes | None = None):
        new = NewFleet(
            hosts=["localhost", "127.0.0.1"],
            server_address="localhost:8443",
            enrolment_address="localhost:8444",
            pass_phrase=pass_phrase,
        )
        make_fleet(path, new)
        self.clock = Clock()
        self.folder = FleetFolder(path, clock=self.clock)
        self.office = CertificateOffice(self.folder, read_intermediate(self.folder, pass_phrase))

    @staticmethod
    def office_of(path: pathlib.Path) -> CertificateOffice:
        """Another office of the same folder, as another process has it."""
        folder = FleetFolder(path)
        return CertificateOffice(folder, read_intermediate(folder))

    def token(self, name="store-001", life=HOUR, address=""):
        return invite_store(self.folder, name, life, address)

    def join(self, name="store-001") -> PeerCertificate:
        token = self.token(name)
        issued = self.office.join(token.identifier.hex(), token.secret.hex(), request_for(name))
        return PeerCertificate.from_pem(issued.chain.encode())

    def renew(self, certificate: PeerCertificate) -> PeerCertificate:
        issued = self.office.renew(certificate, request_for(certificate.name))
        return PeerCertificate.from_pem(issued.chain.encode())


def request_for(name: str | None) -> bytes:
    """Of a new key."""
    return make_certificate_request(make_certificate_key(), name)
