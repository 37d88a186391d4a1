"""Tests of a key and its certificate, killed between any two steps."""

import datetime
import os

import pytest
from cryptography.hazmat.primitives import serialization

from tff_retail.config import ConfigurationError
from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.certified_key import CertifiedKey

_NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


class _Killed(BaseException):
    pass


def _self_signed(key) -> bytes:
    return certificate_pem(Authority.make_root(key, _NOW).certificate)


def _pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
def installed(tmp_path):
    files = CertifiedKey(tmp_path, "store")
    key = files.make_next_key()
    chain = _self_signed(key)
    files.install(chain)
    return files, key, chain


def test_what_was_installed_is_loaded(tmp_path, installed):
    files, key, chain = installed
    assert files.load() == (_pem(key), chain)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.crt", "store.key"]


def test_a_waiting_key_changes_nothing(installed):
    files, key, chain = installed
    files.make_next_key()
    assert files.load() == (_pem(key), chain)


def test_killed_between_the_renames_the_new_pair_is_used_and_kept(installed, monkeypatch):
    files, _, _ = installed
    key = files.make_next_key()
    chain = _self_signed(key)
    replace = os.replace

    def kill(source, target):
        if target == files.key_path:
            raise _Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        with pytest.raises(_Killed):
            files.install(chain)
    assert files.load() == (_pem(key), chain)
    # The next renewal must not lose the key in use, whose certificate is in place.
    files.make_next_key()
    assert files.load() == (_pem(key), chain)


def test_a_certificate_for_another_key_is_refused(installed):
    files, key, chain = installed
    other = files.make_next_key()
    files.make_next_key()
    with pytest.raises(ConfigurationError, match="found another key's"):
        files.install(_self_signed(other))
    assert files.load() == (_pem(key), chain)


def test_what_is_missing_is_named(tmp_path):
    files = CertifiedKey(tmp_path, "store")
    with pytest.raises(ConfigurationError, match=r"store\.crt must be a certificate"):
        files.load()
    with pytest.raises(ConfigurationError, match=r"store\.key\.next must be a private key"):
        files.install(b"")


def test_a_lost_key_is_named(installed):
    files, _, _ = installed
    files.key_path.unlink()
    with pytest.raises(ConfigurationError, match="restore both files"):
        files.load()


def test_a_pass_phrase_covers_both_names(tmp_path):
    files = CertifiedKey(tmp_path, "root", b"correct horse battery")
    key = files.make_next_key()
    assert b"ENCRYPTED" in (tmp_path / "root.key.next").read_bytes()
    files.install(_self_signed(key))
    assert b"ENCRYPTED" in files.key_path.read_bytes()
    assert files.load()[0] == _pem(key)
