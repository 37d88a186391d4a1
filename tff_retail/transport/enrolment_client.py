"""Asks the enrolment listener one thing."""

import dataclasses
import datetime
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tff_retail.config import require_address
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.enrolment_requests import decode_line, encode_line
from tff_retail.transport.issued_identity import MAX_IDENTITY_BYTES
from tff_retail.transport.outbound_socket import open_outbound_socket
from tff_retail.transport.proxy_settings import ProxySettings

# Slow links, and a listener that is busy with strangers for its own ten seconds.
_TIMEOUT_S = 30.0
# Clocks further apart than this are worth a word where a certificate is not good.
_CLOCK_TOLERANCE = datetime.timedelta(minutes=10)


@dataclasses.dataclass(frozen=True)
class EnrolmentClient:
    """Where to ask, and how to get there.

    Attributes:
      address: host:port of the listener.
      proxies: of this machine.
      timeout_s: for one answer.
    """

    address: str
    proxies: ProxySettings = dataclasses.field(
        default_factory=lambda: ProxySettings.from_environment(os.environ)
    )
    timeout_s: float = _TIMEOUT_S

    def ask(self, request: Mapping[str, Any], context: ssl.SSLContext) -> dict[str, Any]:
        """The answer to one request of `enrolment_requests`.

        Raises:
          EnrolmentRefused: the listener said no, or could not be asked; `code` says which.
        """
        host, port = require_address("enrolment_address", self.address)
        try:
            with open_outbound_socket(host, port, self.proxies, self.timeout_s) as plain:
                with context.wrap_socket(plain, server_hostname=host) as connection:
                    connection.sendall(encode_line(request))
                    line = _read_line(connection, self.timeout_s)
        except ssl.SSLError as error:
            raise EnrolmentRefused("tls", f"{self.address} {_tls_words(error)}") from error
        except OSError as error:
            raise EnrolmentRefused(
                "unreachable",
                f"{self.address} can't be reached ({error.strerror or error}); see that `fleet "
                "serve-enrolment` runs there, and that this machine may connect to it",
            ) from error
        return _checked(decode_line(line))

    def trusted_root(self, fingerprint: bytes) -> bytes:
        """The root certificate, PEM, whose SHA-256 is `fingerprint`.

        Nothing secret is said before it is known.

        Raises:
          EnrolmentRefused: the listener could not be asked, or is of another chain.
        """
        anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyone.minimum_version = ssl.TLSVersion.TLSv1_2
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        answer = self.ask({"kind": "authority"}, anyone)
        pem = str(answer.get("root", "")).encode()
        try:
            found = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256())
        except ValueError:
            found = b""
        if found != fingerprint:
            raise EnrolmentRefused(
                "other_authority",
                f"{self.address} is not the headquarters that wrote the token: its authority is "
                "another; nothing was sent to it. Check the address, or ask for a new token",
            )
        _check_clock(str(answer.get("time", "")))
        return pem


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        code, sentence = str(answer["error"])[:64], str(answer.get("sentence", ""))[:500]
        raise EnrolmentRefused(_printable(code), _printable(sentence))
    return answer


def _printable(text: str) -> str:
    """Whoever is at that address, before it is known who, writes into a terminal else."""
    return "".join(each for each in text if each.isprintable())


def _read_line(connection: ssl.SSLSocket, timeout_s: float) -> bytes:
    deadline, line = time.monotonic() + timeout_s, b""
    while not line.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(4096)
        if not piece or len(line) > MAX_IDENTITY_BYTES:
            raise ConnectionError("it gave no answer")
        line += piece
    return line


def _check_clock(theirs: str) -> None:
    """The clock is named before TLS fails for a reason that hides it."""
    try:
        difference = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(theirs)
    except (ValueError, TypeError):
        return
    if abs(difference) > _CLOCK_TOLERANCE:
        minutes = difference.total_seconds() / 60
        raise EnrolmentRefused(
            "clock",
            "the clock of this machine must agree with headquarters', is "
            f"{abs(minutes):.0f} minutes {'ahead' if minutes > 0 else 'behind'}; set the clock and "
            "join again",
        )


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"shows a certificate that is not good ({error.verify_message}); check the address, "
            "and the clocks of both machines"
        )
    if "ALERT" in (error.reason or ""):
        return (
            f"does not accept this store's certificate ({error.reason}); if it has ended or was "
            "revoked, ask for a new invitation"
        )
    return f"does not speak TLS as an enrolment listener does ({error.reason or error})"
