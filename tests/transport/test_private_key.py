"""Tests of key files."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tff_retail.config import ConfigurationError
from tff_retail.transport import private_key

_PHRASE = b"correct horse battery"


def test_a_key_comes_back(tmp_path):
    key = private_key.make_certificate_key()
    private_key.write_private_key(tmp_path / "key", key)
    found = private_key.read_private_key(tmp_path / "key")
    assert private_key.key_pem(found) == private_key.key_pem(key)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_pass_phrase_is_needed_and_must_be_right(tmp_path):
    key, path = ed25519.Ed25519PrivateKey.generate(), tmp_path / "key"
    private_key.write_private_key(path, key, _PHRASE)
    assert private_key.is_encrypted(path)
    assert private_key.key_pem(key) not in path.read_bytes()
    assert private_key.read_private_key(path, _PHRASE).private_bytes_raw() == (
        key.private_bytes_raw()
    )
    with pytest.raises(ConfigurationError, match="needs its pass phrase"):
        private_key.read_private_key(path)
    with pytest.raises(ConfigurationError, match="pass phrase is another"):
        private_key.read_private_key(path, b"another phrase")


def test_a_pass_phrase_for_an_open_key_does_no_harm(tmp_path):
    private_key.write_private_key(tmp_path / "key", private_key.make_certificate_key())
    assert not private_key.is_encrypted(tmp_path / "key")
    private_key.read_private_key(tmp_path / "key", _PHRASE)


def test_what_is_no_key_of_ours_is_named(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(ConfigurationError, match="found no such file"):
        private_key.read_private_key(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="must be a private key in PEM"):
        private_key.read_private_key(path)
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(other)
    with pytest.raises(ConfigurationError, match="found RSAPrivateKey"):
        private_key.read_private_key(path)
