"""The head of a store's audit log with headquarters' signature: both sides keep it.

Signed with the key of the certificate that headquarters shows on the link (ECDSA with SHA-256 on
P-256), so that headquarters cannot deny later what it saw, nor a store what it showed.
"""

import base64
import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.link_frames import FRAMES, Kind
from tff_retail.transport.tls import ServerTls

# A signature for this purpose must be good for no other; TLS signs nothing that begins so.
_CONTEXT = b"tff_retail countersigned audit head 1\n"
_ECDSA = ec.ECDSA(hashes.SHA256())


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountersignedHead:
    """A head, and that headquarters saw it.

    Attributes:
      head: of a store's audit log.
      time: of headquarters, UTC, ISO 8601 to the second.
      signature: in Base64.
      certificates: headquarters' and the intermediate authority's, DER in Base64; none where a
        record names the certificate only.
    """

    head: AuditHead
    time: str
    signature: str
    certificates: tuple[str, ...]

    @classmethod
    def sign(
        cls, head: AuditHead, *, time: datetime.datetime, tls: ServerTls
    ) -> "CountersignedHead":
        """Headquarters' signature under a head.

        Args:
          head: as the store told it.
          time: aware.
          tls: what headquarters shows on the link.

        Raises:
          ValueError: its key is none of this project's.
        """
        key = serialization.load_pem_private_key(tls.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("headquarters' key must be one of an elliptic curve")
        moment = f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
        signature = base64.b64encode(key.sign(_signed_bytes(head, moment), _ECDSA)).decode()
        shown = x509.load_pem_x509_certificates(tls.chain)
        return cls(
            head=head,
            time=moment,
            signature=signature,
            certificates=tuple(map(_encoded, shown)),
        )

    @property
    def certificate_fingerprint(self) -> str:
        """SHA-256 of headquarters' certificate, in hexadecimal."""
        return hashlib.sha256(base64.b64decode(self.certificates[0])).hexdigest()

    @classmethod
    def from_json(
        cls, values: Mapping[str, Any], certificates: tuple[str, ...]
    ) -> "CountersignedHead":
        """What `to_json` gave, and the certificates that it left out.

        Raises:
          ValueError: it is something else.
        """
        try:
            named = {field.name: values[field.name] for field in dataclasses.fields(AuditHead)}
            head, time, signature = AuditHead(**named), values["time"], values["signature"]
        except (KeyError, TypeError):
            raise ValueError("it is no countersigned head") from None
        texts = (head.store, head.chain, head.log, head.hash, time, signature)
        if type(head.sequence) is not int or not all(isinstance(text, str) for text in texts):
            raise ValueError("it is no countersigned head")
        return cls(head=head, time=time, signature=signature, certificates=certificates)

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the certificates, which hardly ever change."""
        return {**dataclasses.asdict(self.head), "time": self.time, "signature": self.signature}

    @classmethod
    def from_header(
        cls, header: Mapping[str, Any], *, store: str, chain: str
    ) -> "CountersignedHead":
        """What a `countersigned` frame says, for the store that it was sent to."""
        head = AuditHead(
            store=store,
            chain=chain,
            log=header["log"],
            sequence=header["sequence"],
            hash=header["hash"],
        )
        return cls(
            head=head,
            time=header["time"],
            signature=header["signature"],
            certificates=tuple(header["certificates"]),
        )

    def to_header(self) -> dict[str, Any]:
        """The fields of a `countersigned` frame; the store knows itself and its chain."""
        fields = {"certificates": list(self.certificates), **self.to_json()}
        return {name: fields[name] for name in FRAMES[Kind.COUNTERSIGNED].fields}

    def verify(self, root: x509.Certificate) -> None:
        """Checks that headquarters of this chain signed it.

        Args:
          root: certificate of the chain.

        Raises:
          ValueError: it did not.
        """
        if root.fingerprint(hashes.SHA256()).hex() != self.head.chain:
            raise ValueError("the head is one of another chain of stores")
        leaf = _trusted_leaf(self.certificates, root)
        time = datetime.datetime.fromisoformat(self.time)
        if time.tzinfo is None or not leaf.not_valid_before_utc <= time <= leaf.not_valid_after_utc:
            raise ValueError("headquarters' certificate did not hold at the time it states")
        key = leaf.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            signature = base64.b64decode(self.signature, validate=True)
            key.verify(signature, _signed_bytes(self.head, self.time), _ECDSA)
        except (InvalidSignature, ValueError):
            raise ValueError("the signature is not good") from None


@functools.lru_cache(maxsize=64)  # years of heads have a handful of certificates
def _trusted_leaf(certificates: tuple[str, ...], root: x509.Certificate) -> x509.Certificate:
    """Headquarters' certificate: a store's would lead to the root as well."""
    try:
        leaf, intermediate = (
            x509.load_der_x509_certificate(base64.b64decode(text)) for text in certificates
        )
        intermediate.verify_directly_issued_by(root)
        leaf.verify_directly_issued_by(intermediate)
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if list(usage) != [ExtendedKeyUsageOID.SERVER_AUTH]:
            raise ValueError("it is not headquarters'")
        if not isinstance(leaf.public_key(), ec.EllipticCurvePublicKey):
            raise ValueError("its key is of another kind")
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise ValueError(
            f"the certificates must be headquarters' and lead to the chain's root: {error}"
        ) from None
    return leaf


def _signed_bytes(head: AuditHead, time: str) -> bytes:
    """Each field after its length, so that no byte can move from one to the next."""
    fields = (head.store, head.chain, head.log, str(head.sequence), head.hash, time)
    encoded = [field.encode("utf-8", "surrogatepass") for field in fields]
    return _CONTEXT + b"".join(len(field).to_bytes(8, "big") + field for field in encoded)


def _encoded(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
