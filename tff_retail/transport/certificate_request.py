"""A store's request for a certificate (PKCS #10): its public key, and proof that it has the key."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tff_retail.transport.peer_certificate import named_store, store_uri

# One for a P-256 key and the longest name has 1,500 bytes.
MAX_REQUEST_BYTES = 8192
# What x509 raises beside `ValueError` where bytes that came from elsewhere are none of its.
_MALFORMED = (
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    TypeError,
)


def make_certificate_request(key: ec.EllipticCurvePrivateKey, name: str | None = None) -> bytes:
    """PEM; without a name where headquarters knows it and the store does not, as with a token."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if name is not None:
        names = x509.SubjectAlternativeName([store_uri(name)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_certificate_request(pem: bytes) -> tuple[ec.EllipticCurvePublicKey, str | None]:
    """The key that is to be certified, and the store that the request names, if it names one.

    Whatever else a request asks for is ignored.

    Raises:
      ValueError: it is no request, not signed by its own key, or its key is of another kind.
    """
    if len(pem) > MAX_REQUEST_BYTES:
        raise ValueError(f"a request must have at most {MAX_REQUEST_BYTES} bytes, has {len(pem)}")
    try:
        request = x509.load_pem_x509_csr(pem)
        is_signed, key = request.is_signature_valid, request.public_key()
        name = named_store(request.extensions)
    except _MALFORMED as error:
        raise ValueError(f"a request must be PKCS #10 in PEM: {error}") from error
    if not is_signed:
        raise ValueError("a request must be signed by the key that it names, and is not")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a request's key must be EC P-256, found another kind")
    return key, name


def public_key_fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the public key, in hexadecimal: what two people read to each other."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return digest.finalize().hex()
