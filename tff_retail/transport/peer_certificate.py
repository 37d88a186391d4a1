"""A store's certificate, as headquarters sees it."""

import dataclasses
import datetime
import urllib.parse

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from tff_retail.transport.store_name import checked_store_name

_STORE_URI = "tff-retail://store/"
# What x509 raises beside `ValueError` where bytes that came from elsewhere are none of its.
_MALFORMED = (
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    TypeError,
)


@dataclasses.dataclass(frozen=True)
class PeerCertificate:
    """Whom a certificate names, and which one it is.

    Attributes:
      name: of the store, from the certificate's URI; its common name is for people's eyes only.
      serial: number in hexadecimal.
      not_before: aware, UTC.
      not_after: aware, UTC.
      fingerprint: SHA-256 of the certificate, in hexadecimal; what records are compared by.
    """

    name: str
    serial: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str

    @classmethod
    def from_pem(cls, pem: bytes) -> "PeerCertificate":
        """The first certificate of `pem`.

        Raises:
          ValueError: it is no certificate, or not one of a store.
        """
        try:
            return cls.of(x509.load_pem_x509_certificate(pem))
        except _MALFORMED as error:
            raise ValueError(f"it must be a certificate: {error}") from error

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "PeerCertificate":
        """What is said of `certificate`.

        Raises:
          ValueError: it is not one of a store.
        """
        name = named_store(certificate.extensions)
        if name is None:
            raise ValueError("the certificate is not one of a store: it has no tff-retail:// name")
        return cls(
            name=name,
            serial=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        )


def store_uri(name: str) -> x509.UniformResourceIdentifier:
    """The name that a certificate carries: percent-encoded, for a URI there is ASCII."""
    return x509.UniformResourceIdentifier(_STORE_URI + urllib.parse.quote(name, safe=""))


def named_store(extensions: x509.Extensions) -> str | None:
    """The store that a certificate or a request names; None where it names none.

    Raises:
      ValueError: it names several, or one that no store can have.
    """
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if not uris:
        return None
    if len(uris) != 1 or not uris[0].startswith(_STORE_URI):
        raise ValueError(f"a certificate must name one {_STORE_URI}…, found {len(uris)} URIs")
    name = urllib.parse.unquote(uris[0].removeprefix(_STORE_URI), errors="strict")
    if checked_store_name(name) != name:
        raise ValueError(f"a store's name must be in composed form (NFC), found {name!r}")
    return name
