"""What is read of a fleet: enrolment, tokens, certificates, signatures, a proxy's answer."""

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import json
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.fuzz.fuzz_target import FuzzTarget
from tff_retail.config import ConfigurationError
from tff_retail.transport import outbound_socket
from tff_retail.transport.audit_head import AuditHead
from tff_retail.transport.authority_files import read_intermediate
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.certificate_request import (
    make_certificate_request,
    read_certificate_request,
)
from tff_retail.transport.countersigned_head import CountersignedHead
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.enrolment_requests import checked_request, decode_line, encode_line
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.join_token import JoinToken
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.private_key import make_certificate_key
from tff_retail.transport.signed_manifest import ManifestRefused, sign_manifest, verify_manifest
from tff_retail.transport.signed_model import ModelRefused, sign_model, verify_model
from tff_retail.transport.store_admittance import invite_store

_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)
_CHAIN = "0123456789abcdef" * 4


def chain_targets() -> dict[str, Callable[[], FuzzTarget]]:
    """Makers of the targets by name."""
    return {
        "enrolment_request": _enrolment_request,
        "join_token": _join_token,
        "certificate": _certificate,
        "certificate_request": _certificate_request,
        "signed_manifest": lambda: _signed_manifest(checks=True),
        "unsigned_manifest": lambda: _signed_manifest(checks=False),
        "signed_model": _signed_model,
        "countersigned_head": _countersigned_head,
        "proxy_answer": _proxy_answer,
    }


def _enrolment_request() -> FuzzTarget:
    requests = [
        {"kind": "authority"},
        {"kind": "join", "id": "1", "secret": "2", "request": "3"},
        {"kind": "renew", "request": "3"},
        {"kind": "is_renewal_wanted"},
    ]
    return FuzzTarget(
        lambda data: checked_request(decode_line(data), has_certificate=True),
        (EnrolmentRefused,),
        [encode_line(request) for request in requests],
    )


def _join_token() -> FuzzTarget:
    token = JoinToken(bytes(8), bytes(16), bytes(32), "localhost:8444", "store-001")

    def read(data: bytes) -> None:
        with contextlib.suppress(ConfigurationError):
            JoinToken.decode(data.decode("utf-8", "replace"))
        # A fuzzer does not find a checksum: what stands behind one is read as well.
        checked = data[:700] + hashlib.sha256(data[:700]).digest()[:4]
        word = base64.urlsafe_b64encode(checked).decode().rstrip("=")
        JoinToken.decode(f"tffr1.{word}")

    return FuzzTarget(read, (ConfigurationError,), [token.encode().encode(), bytes(80)])


def _certificates() -> tuple[bytes, bytes, FleetFolder]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-fleet-"))
    new = NewFleet(
        hosts=["localhost"],
        server_address="localhost:8443",
        enrolment_address="localhost:8444",
        pass_phrase=None,
    )
    make_fleet(folder, new)
    fleet = FleetFolder(folder)
    office = CertificateOffice(fleet, read_intermediate(fleet))
    token = invite_store(fleet, "store-001", _DAY)
    request = make_certificate_request(make_certificate_key(), "store-001")
    issued = office.join(token.identifier.hex(), token.secret.hex(), request)
    return issued.chain.encode(), request, fleet


def _certificate() -> FuzzTarget:
    chain, _, _ = _certificates()
    der = x509.load_pem_x509_certificate(chain).public_bytes(Encoding.DER)

    def read(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            PeerCertificate.from_pem(data)
        # In PEM nearly all changes only break Base64.
        PeerCertificate.from_pem(_pem("CERTIFICATE", data))

    return FuzzTarget(read, (ValueError,), [der, chain])


def _certificate_request() -> FuzzTarget:
    key = make_certificate_key()
    pem = make_certificate_request(key, "store-001")
    der = x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)

    def read(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            read_certificate_request(data)
        read_certificate_request(_pem("CERTIFICATE REQUEST", data))

    return FuzzTarget(read, (ValueError,), [der, pem])


def _signed_manifest(*, checks: bool) -> FuzzTarget:
    key = ed25519.Ed25519PrivateKey.generate()
    manifest = json.dumps({"labels": ["a", "b"]}).encode()
    signed = sign_manifest(manifest, key=key, run="run", chain_id=_CHAIN, expires=_NOW + _DAY)
    public = key.public_key() if checks else None

    def read(data: bytes) -> None:
        verify_manifest(data, public_key=public, chain_id=_CHAIN, now=_NOW, run="run")

    return FuzzTarget(read, (ManifestRefused,), [signed])


def _signed_model() -> FuzzTarget:
    key = ed25519.Ed25519PrivateKey.generate()
    good = sign_model(_CHAIN, name="model", key=key, chain_id=_CHAIN)

    def read(data: bytes) -> None:
        signature = data[:100].decode("latin-1").rstrip()
        name = data[100:].decode("utf-8", "surrogateescape")
        public = key.public_key()
        verify_model(_CHAIN, signature, name=name, public_key=public, chain_id=_CHAIN)

    return FuzzTarget(read, (ModelRefused,), [good.encode().ljust(100) + b"model"], max_bytes=300)


def _countersigned_head() -> FuzzTarget:
    _, _, fleet = _certificates()
    tls = fleet.server_tls()
    root = x509.load_pem_x509_certificate(tls.client_ca)
    chain = fleet.chain_id
    head = AuditHead(store="store-001", chain=chain, log=_CHAIN, sequence=3, hash=_CHAIN)
    signed = CountersignedHead.sign(head, time=_NOW, tls=tls)

    def read(data: bytes) -> None:
        values = json.loads(data)
        found = CountersignedHead.from_json(values["head"], tuple(map(str, values["certificates"])))
        dataclasses.replace(found, head=dataclasses.replace(found.head, chain=chain)).verify(root)

    seed = {"head": signed.to_json(), "certificates": list(signed.certificates)}
    errors = (ValueError, KeyError, TypeError, RecursionError)  # of the test's own JSON, too
    return FuzzTarget(read, errors, [json.dumps(seed).encode()])


def _proxy_answer() -> FuzzTarget:
    def read(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
            outbound_socket._read_answer(ours, "proxy")

    answers = [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
    ]
    return FuzzTarget(read, (outbound_socket.ProxyRefused,), answers, max_bytes=300)


def _pem(kind: str, der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return f"-----BEGIN {kind}-----\n".encode() + body + f"-----END {kind}-----\n".encode()
