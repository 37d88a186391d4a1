"""Tests of what is read from a store's certificate."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.private_key import make_certificate_key

_NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def _with_uris(*uris: str) -> bytes:
    key = make_certificate_key()
    name = x509.Name([])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(255)
        .not_valid_before(_NOW)
        .not_valid_after(_NOW + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate_pem(certificate)


def test_all_that_is_needed_is_read():
    pem = _with_uris("tff-retail://store/%E5%BA%97%20%E4%B8%83")
    found = PeerCertificate.from_pem(pem)
    assert (found.name, found.serial) == ("店 七", "ff")
    assert (found.not_before, found.not_after) == (_NOW, _NOW + datetime.timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(pem)
    assert found.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize(
    "uris, sentence",
    [
        (["https://store/a"], "must name one tff-retail"),
        (["tff-retail://store/a", "tff-retail://store/b"], "found 2 URIs"),
        (["tff-retail://store/..%2Fb"], "no / or"),
        (["tff-retail://store/"], "1 to 64 characters"),
        (["tff-retail://store/%FF"], "invalid start byte"),
        (["tff-retail://store/Ko%CC%88ln"], "composed form"),
    ],
)
def test_another_name_is_none(uris, sentence):
    with pytest.raises(ValueError, match=sentence):
        PeerCertificate.from_pem(_with_uris(*uris))


def test_headquarters_certificate_is_none_of_a_store():
    root = Authority.make_root(make_certificate_key(), _NOW)
    server = root.issue_server(make_certificate_key().public_key(), ["localhost"], _NOW)
    for certificate in (server, root.certificate):
        with pytest.raises(ValueError, match="not one of a store"):
            PeerCertificate.of(certificate)


def test_what_is_no_certificate_is_a_value_error():
    with pytest.raises(ValueError):
        PeerCertificate.from_pem(b"nothing")
