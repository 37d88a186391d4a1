"""Tests of what the authorities sign."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tff_retail.config import ConfigurationError
from tff_retail.transport.authority import Authority
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.private_key import make_certificate_key

_NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
_KEY = make_certificate_key().public_key()


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.make_root(make_certificate_key(), _NOW)


@pytest.fixture(scope="module")
def intermediate(root) -> Authority:
    key = make_certificate_key()
    return Authority(root.issue_intermediate(key.public_key(), _NOW), key)


def _extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


def test_the_chain_leads_to_the_root(root, intermediate):
    store = intermediate.issue_store(_KEY, "store-001", _NOW)
    store.verify_directly_issued_by(intermediate.certificate)
    intermediate.certificate.verify_directly_issued_by(root.certificate)
    root.certificate.verify_directly_issued_by(root.certificate)
    limits = [_extension(a.certificate, x509.BasicConstraints) for a in (root, intermediate)]
    assert [(limit.ca, limit.path_length) for limit in limits] == [(True, 1), (True, 0)]
    assert not _extension(store, x509.BasicConstraints).ca


def test_two_roots_differ_by_name(root):
    other = Authority.make_root(make_certificate_key(), _NOW)
    assert other.certificate.subject != root.certificate.subject


def test_neither_side_can_pose_as_the_other(intermediate):
    store = intermediate.issue_store(_KEY, "a", _NOW)
    server = intermediate.issue_server(_KEY, ["hq.example.com"], _NOW)
    usages = [list(_extension(c, x509.ExtendedKeyUsage)) for c in (store, server)]
    assert usages == [[ExtendedKeyUsageOID.CLIENT_AUTH], [ExtendedKeyUsageOID.SERVER_AUTH]]


def test_a_store_certificate_lasts_ninety_days_and_forgives_a_clock(intermediate):
    certificate = intermediate.issue_store(_KEY, "a", _NOW)
    assert certificate.not_valid_after_utc == _NOW + datetime.timedelta(days=90)
    assert certificate.not_valid_before_utc == _NOW - datetime.timedelta(minutes=10)


def test_nothing_outlives_its_issuer(intermediate):
    late = intermediate.certificate.not_valid_after_utc - datetime.timedelta(days=1)
    certificate = intermediate.issue_store(_KEY, "a", late)
    assert certificate.not_valid_after_utc == intermediate.certificate.not_valid_after_utc


def test_hosts_may_be_names_addresses_and_of_other_scripts(intermediate):
    hosts = ["HQ.example.com", "10.0.0.1", "::1", "bücher.example"]
    names = _extension(intermediate.issue_server(_KEY, hosts, _NOW), x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["hq.example.com", "xn--bcher-kva.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("::1"),
    ]


@pytest.mark.parametrize("host", ["", "hq.example.com:8443", "*.example.com", "a b", "x" * 64])
def test_what_is_no_host_is_refused(intermediate, host):
    with pytest.raises(ConfigurationError, match="--hosts must be names or addresses"):
        intermediate.issue_server(_KEY, [host], _NOW)


@pytest.mark.parametrize("name", ["店 七", "a,CN=b", "100%", "#?&=+", "界" * 64])
def test_a_name_comes_back_as_it_was(intermediate, name):
    certificate = intermediate.issue_store(_KEY, name, _NOW)
    assert PeerCertificate.of(certificate).name == name
