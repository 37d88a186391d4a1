"""Headquarters' folder of a fleet: who may connect, and what headquarters shows them.

<fleet>/fleet.json            names and addresses of headquarters
<fleet>/root/                 root.key, root.crt: may go offline
<fleet>/authority/            intermediate.key, intermediate.crt: sign certificates
<fleet>/headquarters/         server.key, server.crt, clients.crt, manifest.pub: the coordinator's
<fleet>/signing/              manifest.key: signs manifests; the coordinator does not need it
<fleet>/invitations/          one file an invitation, without its secret
<fleet>/stores/               one file a store
<fleet>/heads/                countersigned heads of stores' audit logs, one file a store
<fleet>/revoked.json          certificates that no longer hold
<fleet>/status.json           who is connected, written by the coordinator
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tff_retail.config import ConfigurationError
from tff_retail.transport.admission import Admission
from tff_retail.transport.certified_key import CertifiedKey
from tff_retail.transport.json_file import read_json_file
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.reread_files import RereadFiles
from tff_retail.transport.store_records import StoreRecords
from tff_retail.transport.tls import ServerTls


def utc_now() -> datetime.datetime:
    """The time, aware."""
    return datetime.datetime.now(datetime.UTC)


class FleetFolder:
    """A fleet that `fleet init` made.

    Args:
      path: of the folder.
      clock: gives the time, aware.

    Raises:
      ConfigurationError: the folder is none of a fleet.
    """

    def __init__(
        self,
        path: str | pathlib.Path,
        *,
        clock: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self.path = pathlib.Path(path).expanduser()
        self.clock = clock
        try:
            self.settings = read_json_file(self.path / "fleet.json")
        except OSError:
            raise ConfigurationError(
                f"--dir must be the folder of a fleet, found {str(path)!r} without fleet.json; "
                "make one by `fleet init`, or check the path"
            ) from None
        self.root_certificate = _certificate(self.path / "headquarters" / "clients.crt")
        self.stores = StoreRecords(self.path / "stores")
        self._server_key = CertifiedKey(self.path / "headquarters", "server")
        self._admission = Admission(self.stores, self.path / "revoked.json", clock)
        files = (self._server_key.key_path, self._server_key.certificate_path)
        self._server_tls = RereadFiles(files, self._load_server_tls)

    @property
    def chain_id(self) -> str:
        """SHA-256 of the root certificate, in hexadecimal: the name of this chain of stores."""
        return self.root_certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def hosts(self) -> list[str]:
        """Names and addresses that headquarters' certificate is for."""
        return list(self.settings["hosts"])

    @property
    def server_address(self) -> str:
        """Where stores dial headquarters: host:port."""
        return str(self.settings["server_address"])

    @property
    def enrolment_address(self) -> str:
        """Where stores join and renew: host:port."""
        return str(self.settings["enrolment_address"])

    @property
    def manifest_key_pem(self) -> bytes:
        """The public key that manifests are checked with, PEM."""
        return _content(self.path / "headquarters" / "manifest.pub")

    @property
    def status_path(self) -> pathlib.Path:
        """Where the coordinator writes who is connected."""
        return self.path / "status.json"

    def is_welcome(self, certificate: PeerCertificate) -> str | None:
        """Why a store may not connect or be called now; None where it may.

        What `fleet revoke` and `fleet rotate` wrote holds from the next call on.
        """
        return self._admission.refusal(certificate)

    def server_tls(self) -> ServerTls:
        """What headquarters shows; a certificate that `fleet rotate` made is shown from then on.

        Raises:
          ConfigurationError: key or certificate is missing.
        """
        return self._server_tls.value()

    def server_certificate_end(self) -> datetime.datetime:
        """When the certificate that headquarters shows ends; aware, UTC."""
        return x509.load_pem_x509_certificate(self.server_tls().chain).not_valid_after_utc

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Holds off other commands that change this fleet."""
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def reloaded_server_tls(self) -> ServerTls:
        """The same, or what was shown last while the files are half restored."""
        try:
            return self.server_tls()
        except (ConfigurationError, OSError):
            # That must not end a run whose present certificate still holds.
            last = self._server_tls.last()
            if last is None:
                raise
            return last

    def _load_server_tls(self) -> ServerTls:
        key, chain = self._server_key.load()
        client_ca = _content(self.path / "headquarters" / "clients.crt")
        return ServerTls(key, chain, client_ca, reload=self.reloaded_server_tls)


def _certificate(path: pathlib.Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_content(path))
    except ValueError as error:
        raise ConfigurationError(
            f"{path} must be a certificate in PEM, found something else; restore it"
        ) from error


def _content(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} must be readable, found {error.strerror}; restore it from a backup"
        ) from error
