"""Tests of what a certificate request must be."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tff_retail.transport.certificate_request import (
    MAX_REQUEST_BYTES,
    make_certificate_request,
    public_key_fingerprint,
    read_certificate_request,
)
from tff_retail.transport.private_key import make_certificate_key


def _request_of(key) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("name", [None, "store-001", "店 七"])
def test_key_and_name_come_back(name):
    key = make_certificate_key()
    found, found_name = read_certificate_request(make_certificate_request(key, name))
    assert found_name == name
    assert public_key_fingerprint(found) == public_key_fingerprint(key.public_key())


def test_only_keys_of_the_chains_kind_are_certified():
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(ValueError, match="must be EC P-256"):
            read_certificate_request(_request_of(key))


def test_a_request_must_be_signed_by_its_key():
    pem = make_certificate_request(make_certificate_key())
    request = x509.load_pem_x509_csr(pem)
    der = request.public_bytes(serialization.Encoding.DER)
    other = x509.load_pem_x509_csr(make_certificate_request(make_certificate_key()))
    # Another key's request with this one's signature.
    forged = other.tbs_certrequest_bytes + der[-len(request.signature) - 15 :]
    forged = b"\x30\x81" + bytes([len(forged)]) + forged
    content = x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="must be signed by the key"):
        read_certificate_request(content)


@pytest.mark.parametrize("pem", [b"", b"nothing", b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n"])
def test_what_is_no_request_is_refused(pem):
    with pytest.raises(ValueError):
        read_certificate_request(pem)


def test_a_large_request_is_not_parsed():
    with pytest.raises(ValueError, match="at most 8192 bytes"):
        read_certificate_request(b"x" * (MAX_REQUEST_BYTES + 1))
