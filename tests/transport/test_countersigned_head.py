"""Headquarters' signature under a store's audit head: good for one head, chain, time and signer."""

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.integration.link_stores import Chain
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.link_frames import Frame, Kind, decode_frame, encode_frame
from tff_retail.transport.tls import ServerTls

_NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


def _root(chain: Chain) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain.root)


def _head(chain: Chain) -> AuditHead:
    fingerprint = _root(chain).fingerprint(hashes.SHA256()).hex()
    return AuditHead(store="店 七", chain=fingerprint, log="a" * 64, sequence=7, hash="b" * 64)


def _signed(chain: Chain, *, days: int = 0, tls: ServerTls | None = None) -> CountersignedHead:
    shown = tls or chain.server_tls()
    return CountersignedHead.sign(
        _head(chain), time=_NOW + datetime.timedelta(days=days), tls=shown
    )


def test_it_is_verified_after_its_way_over_the_link(chain):
    signed = _signed(chain)
    signed.verify(_root(chain))
    frame = decode_frame(encode_frame(Frame(Kind.COUNTERSIGNED, signed.to_header())))
    head = signed.head
    found = CountersignedHead.from_header(frame.header, store=head.store, chain=head.chain)
    assert found == signed
    found.verify(_root(chain))
    again = CountersignedHead.from_json(signed.to_json(), signed.certificates)
    assert again == signed


@pytest.mark.parametrize(
    "changes",
    [
        {"store": "store-002"},
        {"log": "c" * 64},
        {"sequence": 8},
        {"hash": "c" * 64},
    ],
)
def test_another_head_is_not_what_was_signed(chain, changes):
    signed = _signed(chain)
    other = dataclasses.replace(signed, head=dataclasses.replace(signed.head, **changes))
    with pytest.raises(ValueError, match="the signature is not good"):
        other.verify(_root(chain))


def test_another_time_is_not_what_was_signed(chain):
    later = _NOW + datetime.timedelta(hours=1)
    signed = dataclasses.replace(_signed(chain), time=f"{later:%Y-%m-%dT%H:%M:%SZ}")
    with pytest.raises(ValueError, match="the signature is not good"):
        signed.verify(_root(chain))


def test_a_certificate_that_had_ended_countersigns_nothing(chain):
    for days in (-2, 400):
        with pytest.raises(ValueError, match="did not hold at the time"):
            _signed(chain, days=days).verify(_root(chain))
    naive = dataclasses.replace(_signed(chain), time="2026-11-21T12:00:00")
    with pytest.raises(ValueError, match="did not hold at the time"):
        naive.verify(_root(chain))


def test_no_store_can_countersign(chain):
    store = chain.store_tls()
    signed = _signed(chain, tls=ServerTls(store.key, store.chain, chain.root))
    with pytest.raises(ValueError, match="it is not headquarters'"):
        signed.verify(_root(chain))


def test_another_chain_countersigns_nothing(chain):
    other = Chain()
    signed = _signed(chain, tls=other.server_tls())
    with pytest.raises(ValueError, match="lead to the chain's root"):
        signed.verify(_root(chain))
    with pytest.raises(ValueError, match="another chain of stores"):
        _signed(chain).verify(_root(other))


@pytest.mark.parametrize("certificates", [(), ("",), ("QQ==", "QQ=="), ("%", "%")])
def test_what_is_no_certificate_is_said(chain, certificates):
    signed = dataclasses.replace(_signed(chain), certificates=certificates)
    with pytest.raises(ValueError, match="lead to the chain's root"):
        signed.verify(_root(chain))


@pytest.mark.parametrize("signature", ["", "%", "QQ=="])
def test_what_is_no_signature_is_said(chain, signature):
    with pytest.raises(ValueError, match="the signature is not good"):
        dataclasses.replace(_signed(chain), signature=signature).verify(_root(chain))


@pytest.mark.parametrize("changes", [{"sequence": "7"}, {"hash": 7}, {"time": None}])
def test_what_is_no_head_is_not_read(chain, changes):
    with pytest.raises(ValueError, match="no countersigned head"):
        CountersignedHead.from_json({**_signed(chain).to_json(), **changes}, ())
    with pytest.raises(ValueError, match="no countersigned head"):
        CountersignedHead.from_json({}, ())
