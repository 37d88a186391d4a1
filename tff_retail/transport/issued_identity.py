"""What headquarters gives a store that joined: its certificate, and whom to trust.

Nothing in it is secret. It is the answer of the enrolment listener and the file of `fleet approve`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.transport.peer_certificate import PeerCertificate

FORMAT = 1
# Three certificates of 800 bytes and what little there is beside them.
MAX_IDENTITY_BYTES = 32 * 1024


@dataclasses.dataclass(frozen=True)
class IssuedIdentity:
    """A store's certificate and its surroundings.

    Attributes:
      name: of the store.
      chain: its certificate and the intermediate authority's, PEM.
      root: the chain's root certificate, PEM.
      manifest_key: public key that manifests are checked with, PEM.
      server_address: host:port where the store dials headquarters.
      enrolment_address: host:port where it renews its certificate.
    """

    name: str
    chain: str
    root: str
    manifest_key: str
    server_address: str
    enrolment_address: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "IssuedIdentity":
        """What `to_json` gave.

        Raises:
          ValueError: it is something else, or its parts do not belong together.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if values.get("format") != FORMAT or set(values) != names | {"format"}:
            raise ValueError(f"it must have format {FORMAT} and {', '.join(sorted(names))}")
        if not all(isinstance(values[name], str) for name in names):
            raise ValueError("its fields must be text")
        found = cls(**{name: values[name] for name in names})
        found._check()
        return found

    @property
    def chain_id(self) -> str:
        """SHA-256 of the root certificate, in hexadecimal."""
        root = x509.load_pem_x509_certificate(self.root.encode())
        return root.fingerprint(hashes.SHA256()).hex()

    def _check(self) -> None:
        root = x509.load_pem_x509_certificate(self.root.encode())
        certificates = x509.load_pem_x509_certificates(self.chain.encode())
        if len(certificates) != 2:
            raise ValueError(f"its chain must have 2 certificates, found {len(certificates)}")
        leaf, intermediate = certificates
        try:
            intermediate.verify_directly_issued_by(root)
            leaf.verify_directly_issued_by(intermediate)
        except (InvalidSignature, TypeError, ValueError) as error:
            raise ValueError("its certificates must lead to its root, and do not") from error
        if PeerCertificate.of(leaf).name != self.name:
            raise ValueError(f"its certificate must be for {self.name!r}, and is for another store")
        key = serialization.load_pem_public_key(self.manifest_key.encode())
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise ValueError("its manifest_key must be an Ed25519 key")
