"""Tests of signed manifests: any change, any other chain, run or time is refused."""

import base64
import datetime
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tff_retail.transport.signed_manifest import (
    MAX_SIGNED_BYTES,
    ManifestRefused,
    _signed_bytes,
    sign_manifest,
    verify_manifest,
)

_NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
_KEY = ed25519.Ed25519PrivateKey.generate()
_CHAIN = "c" * 64
_MANIFEST = '{"labels": ["苹果", "pear"], "image_size": 96}'.encode()


def _sign(**changes) -> bytes:
    settings = {"key": _KEY, "run": "prod", "chain_id": _CHAIN, "expires": _NOW + _DAY}
    return sign_manifest(_MANIFEST, **{**settings, **changes})


def _verify(signed, **changes):
    settings = {"public_key": _KEY.public_key(), "chain_id": _CHAIN, "now": _NOW}
    return verify_manifest(signed, **{**settings, **changes})


def _code(signed, **changes) -> str:
    with pytest.raises(ManifestRefused) as refused:
        _verify(signed, **changes)
    return refused.value.code


def _changed(**changes) -> bytes:
    return json.dumps({**json.loads(_sign()), **changes}).encode()


def test_what_was_signed_comes_back():
    signed = _sign()
    found = _verify(signed)
    assert found.manifest == {"labels": ["苹果", "pear"], "image_size": 96}
    assert (found.run, found.expires) == ("prod", _NOW + _DAY)
    assert found.digest == hashlib.sha256(signed).hexdigest()
    assert _verify(signed, run="prod") == found


def test_the_same_is_signed_in_the_same_way():
    assert _sign() == _sign()


def test_how_the_json_is_written_is_not_what_is_signed():
    signed = json.dumps(dict(reversed(json.loads(_sign()).items())), indent=4).encode()
    assert _verify(signed).run == "prod"


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": '{"labels": ["苹果", "pear"], "image_size": 97}'},
        {"run": "prod2"},
        {"chain": "d" * 64},
        {"expires": "2031-01-01T00:00:00+00:00"},
        {"signature": base64.b64encode(bytes(64)).decode()},
        {"signature": "?"},
        {"signature": ""},
        # Bytes moved from one field to the next.
        {"chain": "c" * 63, "run": "cprod"},
    ],
)
def test_any_change_breaks_the_signature(changes):
    assert _code(_changed(**changes)) == "signature"


def test_another_chains_key_is_none_of_ours():
    other = ed25519.Ed25519PrivateKey.generate()
    assert _code(_sign(key=other)) == "signature"


def test_one_key_for_two_chains_does_not_make_them_one():
    assert _code(_sign(chain_id="d" * 64)) == "chain"


def test_an_approval_is_for_one_run():
    assert _code(_sign(), run="experiment") == "run"


def test_an_approval_ends_with_some_patience_for_clocks():
    signed = _sign()
    assert _verify(signed, now=_NOW + _DAY + datetime.timedelta(minutes=9)).run == "prod"
    assert _code(signed, now=_NOW + _DAY + datetime.timedelta(minutes=11)) == "expired"


def test_times_of_other_zones_are_understood():
    zone = datetime.timezone(datetime.timedelta(hours=8))
    assert _verify(_sign(expires=(_NOW + _DAY).astimezone(zone))).expires == _NOW + _DAY


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"nothing",
        b'{"format": 1}',
        b"[" * 100_000,
        b"x" * (MAX_SIGNED_BYTES + 1),
        _changed(format=2),
        _changed(run=1),
        _changed(more="x"),
        _changed(run="\ud800"),
    ],
)
def test_anything_else_is_refused(signed):
    assert _code(signed) in ("format", "signature")


@pytest.mark.parametrize(
    "manifest", [b"[]", b"nothing", b"[" * 100_000, b'{"a": "' + b"x" * MAX_SIGNED_BYTES + b'"}']
)
def test_only_manifests_are_signed(manifest):
    with pytest.raises(ValueError):
        sign_manifest(manifest, key=_KEY, run="r", chain_id=_CHAIN, expires=_NOW)


@pytest.mark.parametrize(
    "stated",
    [
        {"run": "prod\x1b[2J\nready for the run prod"},  # it would be obeyed by a terminal
        {"run": "\ud800"},  # half a character, which no terminal can be written
        {"run": "p" * 201},
        {"expires": "9999-12-31T23:59:59+00:00"},  # no slack can be added to it
        {"expires": "9999-12-31T23:59:59-23:59"},  # nor can it be said in UTC
        {"expires": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_what_is_signed_is_not_believed_to_be_harmless(stated):
    """Whoever has the key must not end a store's program, nor write to its terminal."""
    values = {**json.loads(_sign()), **stated}
    values["signature"] = base64.b64encode(_KEY.sign(_signed_bytes(values))).decode()
    assert _code(json.dumps(values).encode()) == "format"
