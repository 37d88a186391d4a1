"""Private keys in files: PEM, for their owner alone, under a pass phrase where one is given.

Keys of certificates are EC P-256, which every TLS library speaks; the key that signs manifests is
Ed25519.
"""

import pathlib
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tff_retail.config import ConfigurationError
from tff_retail.transport.private_file import write_private_file

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# A P-256 key under a pass phrase has 320 bytes in PEM; what is larger is something else.
_MAX_KEY_BYTES = 4096


def make_certificate_key() -> ec.EllipticCurvePrivateKey:
    """A new EC P-256 key, from the operating system's entropy."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey, pass_phrase: bytes | None = None) -> bytes:
    """The key in PKCS #8, encrypted where there is a pass phrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if pass_phrase:
        encryption = serialization.BestAvailableEncryption(pass_phrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def write_private_key(
    path: pathlib.Path, key: PrivateKey, pass_phrase: bytes | None = None
) -> None:
    """Writes the key to a file of mode 0600.

    Raises:
      OSError: it can't be written.
    """
    write_private_file(path, key_pem(key, pass_phrase))


def is_encrypted(path: pathlib.Path) -> bool:
    """Whether the key needs a pass phrase.

    Raises:
      ConfigurationError: the file can't be read.
    """
    return b"ENCRYPTED" in _content(path)


def read_private_key(path: pathlib.Path, pass_phrase: bytes | None = None) -> PrivateKey:
    """The key of a file.

    Raises:
      ConfigurationError: no such file, no key of ours, or the pass phrase does not open it.
    """
    content = _content(path)
    try:
        # A pass phrase for a key that has none is an error to the library, and none to us.
        key = serialization.load_pem_private_key(
            content, pass_phrase if b"ENCRYPTED" in content else None
        )
    except TypeError:
        raise ConfigurationError(
            f"the key {path} needs its pass phrase, found none; set TFF_RETAIL_PASS_PHRASE or run "
            "this in a terminal"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(
            f"{path} must be a private key in PEM, or its pass phrase is another; restore the file "
            "or give the right pass phrase"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path} must be an EC or Ed25519 key, found {type(key).__name__}; restore the file"
        )
    return key


def _content(path: pathlib.Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} must be a private key, found no such file; give the folder that has it"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} must be readable, found {error.strerror}; run this as its owner"
        ) from error
