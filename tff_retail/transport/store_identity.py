"""Who a store is: its key, its certificate, and the headquarters that it trusts.

<state_dir>/identity/store.key      never leaves the machine
<state_dir>/identity/store.crt      the store's certificate and the intermediate authority's
<state_dir>/identity/chain.crt      the chain's root, kept since the store joined
<state_dir>/identity/settings.json  name, addresses, chain, key of manifests
"""

import dataclasses
import datetime
import pathlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.config import ConfigurationError
from tff_retail.transport.certified_key import CertifiedKey
from tff_retail.transport.json_file import read_json_file
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.tls import ClientTls


@dataclasses.dataclass(frozen=True)
class StoreIdentity:
    """A store that has joined.

    Attributes:
      folder: of the identity.
      name: of the store.
      certificate: that it shows.
      server_address: host:port where it dials headquarters.
      enrolment_address: host:port where it renews its certificate.
      manifest_key: that manifests are checked with, kept since the store joined.
      chain_id: SHA-256 of the chain's root certificate, in hexadecimal.
    """

    folder: pathlib.Path
    name: str
    certificate: PeerCertificate
    server_address: str
    enrolment_address: str
    manifest_key: ed25519.Ed25519PublicKey
    chain_id: str
    _tls: ClientTls = dataclasses.field(repr=False)

    @classmethod
    def load(cls, state_dir: str | pathlib.Path) -> "StoreIdentity":
        """The identity in `<state_dir>/identity`.

        Raises:
          ConfigurationError: the store has not joined, or its files do not belong together.
        """
        folder = identity_folder(state_dir)
        settings = _settings(folder, state_dir)
        key, chain = CertifiedKey(folder, "store").load()
        try:
            root = (folder / "chain.crt").read_bytes()
            chain_id = x509.load_pem_x509_certificate(root).fingerprint(hashes.SHA256()).hex()
            manifest_key = serialization.load_pem_public_key(settings["manifest_key"].encode())
            certificate = PeerCertificate.from_pem(chain)
            found = (certificate.name, chain_id, isinstance(manifest_key, _MANIFEST_KEY))
            if found != (settings["name"], settings["chain"], True):
                raise ValueError("parts of different stores")
            assert isinstance(manifest_key, _MANIFEST_KEY)
            return cls(
                folder=folder,
                name=certificate.name,
                certificate=certificate,
                server_address=settings["server_address"],
                enrolment_address=settings["enrolment_address"],
                manifest_key=manifest_key,
                chain_id=chain_id,
                _tls=ClientTls(key, chain, root),
            )
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ConfigurationError(
                f"{folder} must hold the identity of one store, found {error}; restore all of it "
                "from one backup, or join anew"
            ) from error

    def client_tls(self) -> ClientTls:
        """What the store shows and trusts."""
        return self._tls

    @property
    def expires_at(self) -> datetime.datetime:
        """When the certificate ends; aware, UTC."""
        return self.certificate.not_after


_MANIFEST_KEY = ed25519.Ed25519PublicKey


def identity_folder(state_dir: str | pathlib.Path) -> pathlib.Path:
    """Where a store's identity lies."""
    return pathlib.Path(state_dir).expanduser() / "identity"


def _settings(folder: pathlib.Path, state_dir: str | pathlib.Path) -> dict[str, Any]:
    try:
        return read_json_file(folder / "settings.json")
    except FileNotFoundError:
        raise ConfigurationError(
            f"--state_dir must be the folder of a store that has joined, found {str(state_dir)!r} "
            "without an identity; ask headquarters for a token, and run `store join TOKEN`"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"--state_dir must be readable, found {str(state_dir)!r} ({error.strerror}); run this "
            "as the user who joined"
        ) from error
