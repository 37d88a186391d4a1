"""A key and its certificate in two files that are replaced as one.

`<stem>.key` and `<stem>.crt`; a key whose certificate is still to come waits in `<stem>.key.next`.
A kill between the two renames leaves the new certificate beside the old key: then the key that
matches is the one that waits.
"""

import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tff_retail.config import ConfigurationError
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.private_key import (
    PrivateKey,
    key_pem,
    make_certificate_key,
    read_private_key,
    write_private_key,
)

# Between the reads of two files another process may replace both.
_READ_ATTEMPTS = 5


class CertifiedKey:
    """The files `<stem>.key`, `<stem>.crt` and `<stem>.key.next` of a folder.

    Args:
      folder: that has them.
      stem: of their names.
      pass_phrase: that the keys are under, if they are.
    """

    def __init__(self, folder: pathlib.Path, stem: str, pass_phrase: bytes | None = None) -> None:
        self._pass_phrase = pass_phrase
        self.key_path = folder / f"{stem}.key"
        self.certificate_path = folder / f"{stem}.crt"
        self._next_path = folder / f"{stem}.key.next"

    def make_next_key(self) -> ec.EllipticCurvePrivateKey:
        """A new key that waits for its certificate; another one that waited is gone.

        Raises:
          OSError: it can't be written.
        """
        self._finish_replacement()
        key = make_certificate_key()
        write_private_key(self._next_path, key, self._pass_phrase)
        return key

    def require_waiting(self, chain: bytes) -> None:
        """Checks that the first certificate of `chain` is for the key that waits.

        Raises:
          ConfigurationError: no key waits, or it is another one.
        """
        if not _belongs(read_private_key(self._next_path, self._pass_phrase), chain):
            raise ConfigurationError(
                f"the certificate must be for the key {self._next_path}, found another key's; make "
                "a new request and have that one approved"
            )

    def install(self, chain: bytes) -> None:
        """Makes the waiting key and `chain`, whose first certificate is for it, the present ones.

        Raises:
          ConfigurationError: no key waits, or the certificate is for another one.
          OSError: they can't be written.
        """
        self.require_waiting(chain)
        write_private_file(self.certificate_path, chain)
        os.replace(self._next_path, self.key_path)

    def load(self) -> tuple[bytes, bytes]:
        """Key, not encrypted, and certificates; PEM.

        Raises:
          ConfigurationError: there is none, or the key is not the certificate's.
        """
        for _ in range(_READ_ATTEMPTS):
            chain = self._chain()
            for path in (self.key_path, self._next_path):
                key = self._key_if_any(path)
                if key is not None and _belongs(key, chain):
                    return key_pem(key), chain
        raise ConfigurationError(
            f"{self.key_path} must be the key of {self.certificate_path}, found another; restore "
            "both files from one backup, or ask for a new certificate"
        )

    def _chain(self) -> bytes:
        try:
            return self.certificate_path.read_bytes()
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self.certificate_path} must be a certificate, found no such file; join the "
                "fleet first, or give the folder that has it"
            ) from None

    def _finish_replacement(self) -> None:
        key = self._key_if_any(self._next_path)
        if key is not None and self.certificate_path.exists() and _belongs(key, self._chain()):
            os.replace(self._next_path, self.key_path)

    def _key_if_any(self, path: pathlib.Path) -> PrivateKey | None:
        try:
            return read_private_key(path, self._pass_phrase)
        except ConfigurationError:
            if path.exists():
                raise
            return None


def _belongs(key: PrivateKey, chain: bytes) -> bool:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return False
    try:
        certificate = x509.load_pem_x509_certificate(chain)
    except ValueError as error:
        raise ConfigurationError(
            "a certificate file must be PEM, found something else; restore it"
        ) from error
    return certificate.public_key() == key.public_key()
