"""What `fleet invite` prints: all that a store needs to join, in one word.

`tffr1.` and base64 (URL alphabet) of: id, secret, the root certificate's SHA-256, the address of
the enrolment listener and the store's name, each after its length, and four bytes of a checksum
that finds what was cut off in pasting.
"""

import base64
import binascii
import dataclasses
import hashlib
import io

from tff_retail.config import ConfigurationError

ID_BYTES = 8
# As many bits as an AES key: guessing is hopeless, so the listener need not count attempts.
SECRET_BYTES = 16
_FINGERPRINT_BYTES = 32
_CHECKSUM_BYTES = 4
_PREFIX = "tffr1."
_LEAST_BYTES = ID_BYTES + SECRET_BYTES + _FINGERPRINT_BYTES
_MAX_CHARACTERS = 1000


@dataclasses.dataclass(frozen=True)
class JoinToken:
    """An invitation as its store holds it.

    Attributes:
      identifier: of the invitation.
      secret: that proves it; used once.
      fingerprint: SHA-256 of the chain's root certificate: whom to trust.
      address: host:port of the enrolment listener.
      name: of the store.
    """

    identifier: bytes
    secret: bytes = dataclasses.field(repr=False)
    fingerprint: bytes
    address: str
    name: str

    def encode(self) -> str:
        """The word to print."""
        content = self.identifier + self.secret + self.fingerprint
        for text in (self.address.encode(), self.name.encode()):
            content += len(text).to_bytes(2, "big") + text
        word = base64.urlsafe_b64encode(content + _checksum(content)).decode().rstrip("=")
        return _PREFIX + word

    @classmethod
    def decode(cls, word: str) -> "JoinToken":
        """The token of a word.

        Raises:
          ConfigurationError: it is none, or not all of one.
        """
        file = io.BytesIO(_content(word.strip()))
        return cls(
            identifier=file.read(ID_BYTES),
            secret=file.read(SECRET_BYTES),
            fingerprint=file.read(_FINGERPRINT_BYTES),
            address=_text(file),
            name=_text(file),
        )


def _text(file: io.BytesIO) -> str:
    # A token whose checksum is right was made by us; what else it says is checked where it is used.
    return file.read(int.from_bytes(file.read(2), "big")).decode("utf-8", "replace")


def _content(word: str) -> bytes:
    try:
        if not word.startswith(_PREFIX) or len(word) > _MAX_CHARACTERS:
            raise ValueError("other prefix")
        packed = word.removeprefix(_PREFIX).encode("ascii")
        content = base64.b64decode(packed + b"=" * (-len(packed) % 4), b"-_", validate=True)
        checked, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        if len(checked) <= _LEAST_BYTES or checksum != _checksum(checked):
            raise ValueError("other checksum")
    except (ValueError, binascii.Error):
        # Not shown: it may be most of a secret.
        raise ConfigurationError(
            f"TOKEN must be the whole word that `fleet invite` printed, from {_PREFIX} on, found "
            f"{len(word)} characters that are not; copy it again"
        ) from None
    return checked


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:_CHECKSUM_BYTES]
