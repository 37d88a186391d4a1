"""Where stores join and renew: a listener of its own that serves nothing else.

It shows headquarters' certificate and asks stores for theirs, if they have one. A connection has
one request, a bounded size, and a bounded time from its first byte to its last; so many at a time.
Who holds all of them delays others by that time at most.
"""

import contextlib
import dataclasses
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509

from tff_retail.config import ConfigurationError, require_address
from tff_retail.transport.authority import certificate_pem
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.enrolment_requests import (
    MAX_LINE_BYTES,
    checked_request,
    decode_line,
    encode_line,
)
from tff_retail.transport.peer_certificate import PeerCertificate

_BACKLOG = 128
_PIECE_BYTES = 4096
_MOST_LINGERING_PIECES = 64
_ACCEPT_AGAIN_S = 0.1
# Headquarters' certificate is renewed weeks before its end: twice a day is often enough to look.
_KEEPING_S = 12 * 3600.0


@dataclasses.dataclass(frozen=True)
class EnrolmentLimits:
    """What a stranger may take.

    Attributes:
      deadline_s: seconds for a whole connection; a handshake over a slow link takes three.
      max_connections: at the same time, each with a thread; the others wait.
    """

    deadline_s: float = 10.0
    max_connections: int = 32


class EnrolmentListener:
    """Serves from `start` to `close`, on threads of its own.

    Args:
      address: host:port; port 0 takes a free one.
      office: that issues the certificates.
      on_event: gets one line for each store that joined, renewed or was refused.
      limits: what a stranger may take.
    """

    def __init__(
        self,
        address: str,
        office: CertificateOffice,
        *,
        on_event: Callable[[str], None],
        limits: EnrolmentLimits | None = None,
    ) -> None:
        self._address = address
        self._office = office
        self._on_event = on_event
        self._limits = limits or EnrolmentLimits()
        self._context = _ShownContext(office)
        self._is_closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads = [
            threading.Thread(target=work, name="enrolment")
            for work in [self._keep] + [self._work] * self._limits.max_connections
        ]

    def start(self) -> str:
        """Listens.

        Returns:
          The address, host:port.

        Raises:
          ConfigurationError: the address can't be listened on.
        """
        host, port = require_address("listen_address", self._address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise ConfigurationError(
                f"--listen_address must be free on this machine, found {self._address!r} "
                f"({error.strerror}); choose another port"
            ) from error
        for thread in self._threads:
            thread.start()
        bound = self._socket.getsockname()[1]
        return f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"

    def close(self) -> None:
        """Ends what is open, but for answers on their way; leaves no thread."""
        self._is_closing.set()
        for connection in (self._socket, *tuple(self._open)):
            with contextlib.suppress(OSError):
                # Not the TLS socket's own: that one drops the session under its thread's feet.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        """Headquarters' own certificate is renewed by itself too, before its end."""
        while True:
            try:
                end = self._office.renew_headquarters_if_due()
                if end is not None:
                    self._on_event(f"headquarters' certificate was renewed, until {end:%Y-%m-%d}")
            except (ConfigurationError, OSError) as error:
                self._on_event(f"headquarters' certificate could not be renewed: {error}")
            if self._is_closing.wait(_KEEPING_S):
                return

    def _work(self) -> None:
        """One connection after the other."""
        while not self._is_closing.is_set():
            try:
                connection, peer = self._socket.accept()
            except OSError:
                # Too many open files, or the peer has gone: neither ends the listener.
                self._is_closing.wait(_ACCEPT_AGAIN_S)
                continue
            try:
                self._serve(connection, str(peer[0]))
            except OSError:
                # What strangers do to a connection is no news here.
                pass
            except Exception as error:
                # Our own mistake costs one connection, and not a thread that serves the next.
                self._on_event(f"a mistake in serving {peer[0]}: {error!r}")
            finally:
                connection.close()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        deadline = time.monotonic() + self._limits.deadline_s
        connection.settimeout(self._limits.deadline_s)
        tls = self._context.present().wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        try:
            with self._may_be_cut(tls):
                tls.do_handshake()
                line = _read_line(tls, deadline)
            # From here on not even `close` cuts it: what comes now uses a token up.
            answer = encode_line(self._answer(tls, line, peer))
            tls.settimeout(self._limits.deadline_s)
            tls.sendall(answer)
        finally:
            with tls, self._may_be_cut(tls):
                _linger(tls, deadline)

    @contextlib.contextmanager
    def _may_be_cut(self, tls: ssl.SSLSocket) -> Iterator[None]:
        """Meanwhile `close` ends the connection."""
        self._open.add(tls)
        try:
            if self._is_closing.is_set():
                raise ConnectionError  # `close` may have looked before this one was there
            yield
        finally:
            self._open.discard(tls)

    def _answer(self, tls: ssl.SSLSocket, line: bytes, peer: str) -> dict[str, Any]:
        try:
            if len(line) > MAX_LINE_BYTES:
                raise EnrolmentRefused(
                    "bad_message", f"a message must have at most {MAX_LINE_BYTES} bytes"
                )
            certificate = _shown_certificate(tls)
            values = decode_line(line)
            kind = checked_request(values, certificate is not None)
            try:
                return self._done(kind, values, certificate, peer)
            except OSError as error:
                return self._unavailable(peer, error)
        except EnrolmentRefused as refused:
            self._on_event(f"refused {peer}: {refused.sentence}")
            return {"error": refused.code, "sentence": refused.sentence}
        except ConfigurationError as error:
            return self._unavailable(peer, error)

    def _unavailable(self, peer: str, error: Exception) -> dict[str, Any]:
        self._on_event(f"could not serve {peer}: {error}")
        sentence = "headquarters can't do this now; its operator finds the reason in its log"
        return {"error": "unavailable", "sentence": sentence}

    def _done(
        self, kind: str, values: dict[str, Any], certificate: PeerCertificate | None, peer: str
    ) -> dict[str, Any]:
        office = self._office
        if kind == "authority":
            root = certificate_pem(office.fleet.root_certificate).decode()
            return {"root": root, "time": office.fleet.clock().isoformat()}
        if kind == "join":
            identity = office.join(values["id"], values["secret"], values["request"].encode())
            self._on_event(f"{identity.name} joined from {peer}")
            return identity.to_json()
        assert certificate is not None
        if kind == "renew":
            identity = office.renew(certificate, values["request"].encode())
            self._on_event(f"{identity.name} renewed its certificate from {peer}")
            return identity.to_json()
        return {"is_renewal_wanted": office.is_renewal_wanted(certificate)}


class _ShownContext:
    """TLS with the certificate that headquarters has now."""

    def __init__(self, office: CertificateOffice) -> None:
        self._office = office
        tls = office.fleet.server_tls()
        self._shown = tls, tls.ssl_context(must_show_certificate=False)

    def present(self) -> ssl.SSLContext:
        """For the next connection; from any thread."""
        tls, context = self._shown
        present = self._office.fleet.reloaded_server_tls()
        if present != tls:
            context = present.ssl_context(must_show_certificate=False)
            self._shown = present, context
        return context


def _shown_certificate(tls: ssl.SSLSocket) -> PeerCertificate | None:
    der = tls.getpeercert(binary_form=True)
    if not der:
        return None
    try:
        return PeerCertificate.of(x509.load_der_x509_certificate(der))
    except ValueError as error:
        raise EnrolmentRefused("bad_certificate", str(error)) from error


def _read_line(tls: ssl.SSLSocket, deadline: float) -> bytes:
    """What comes until a line ends, or it is more than a message may have."""
    received = b""
    while b"\n" not in received and len(received) <= MAX_LINE_BYTES:
        tls.settimeout(_seconds_left(deadline))
        piece = tls.recv(_PIECE_BYTES)
        if not piece:
            raise ConnectionError
        received += piece
    return received


def _linger(tls: ssl.SSLSocket, deadline: float) -> None:
    """Waits for the peer to close: else what it still sends has the answer, or TLS's reason for
    refusing it, dropped on the way (RFC 9293, 3.10.7).
    """
    socket.socket.shutdown(tls, socket.SHUT_WR)
    for _ in range(_MOST_LINGERING_PIECES):
        tls.settimeout(_seconds_left(deadline))
        if not socket.socket.recv(tls, _PIECE_BYTES):
            return


def _seconds_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
