"""What each side of a connection shows and trusts: mutual TLS, 1.2 or newer.

The same keys serve gRPC (the store link) and Python's `ssl` (enrolment, diagnosis).
"""

import contextlib
import dataclasses
import os
import ssl
from collections.abc import Callable, Iterator

import grpc


@dataclasses.dataclass(frozen=True)
class ServerTls:
    """Headquarters' side: stores must show a certificate of the chain's authority.

    Attributes:
      key: private key, PEM, not encrypted.
      chain: headquarters' certificate and the intermediate authority's, PEM.
      client_ca: the root that stores' certificates must lead to, PEM.
      reload: gives what is to be shown to the next connection, so that a renewed certificate
        needs no restart.
    """

    key: bytes = dataclasses.field(repr=False)
    chain: bytes
    client_ca: bytes
    reload: "Callable[[], ServerTls] | None" = dataclasses.field(
        default=None, compare=False, repr=False
    )

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For `grpc.aio.Server.add_secure_port`; a client without certificate gets no stream."""
        if self.reload is None:
            return grpc.ssl_server_credentials(
                [(self.key, self.chain)], self.client_ca, require_client_auth=True
            )
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), _Reloading(self), require_client_authentication=True
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.client_ca)

    def ssl_context(self, *, must_show_certificate: bool = True) -> ssl.SSLContext:
        """For a plain TLS socket.

        Args:
          must_show_certificate: whether a client without certificate is turned away; a certificate
            that is shown must be valid in either case.
        """
        context = _context(ssl.PROTOCOL_TLS_SERVER, self.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if must_show_certificate else ssl.CERT_OPTIONAL
        _load(context, self.key, self.chain)
        return context


@dataclasses.dataclass(frozen=True)
class ClientTls:
    """A store's side: headquarters must show a certificate of the chain for the host dialled.

    Attributes:
      key: private key, PEM, not encrypted.
      chain: the store's certificate and the intermediate authority's, PEM.
      server_ca: the root that headquarters' certificate must lead to, PEM.
    """

    key: bytes = dataclasses.field(repr=False)
    chain: bytes
    server_ca: bytes

    def grpc_credentials(self) -> grpc.ChannelCredentials:
        """For `grpc.aio.secure_channel`."""
        return grpc.ssl_channel_credentials(self.server_ca, self.key, self.chain)

    def ssl_context(self) -> ssl.SSLContext:
        """For a plain TLS socket; the host's name is checked."""
        context = _context(ssl.PROTOCOL_TLS_CLIENT, self.server_ca)
        _load(context, self.key, self.chain)
        return context


def trusting_context(server_ca: bytes) -> ssl.SSLContext:
    """For a store that has no certificate yet; headquarters' is checked, and its name."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, server_ca)


class _Reloading:
    """gRPC asks at each handshake which certificate to show; None leaves it as it is."""

    def __init__(self, shown: ServerTls) -> None:
        self._shown = shown

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        assert self._shown.reload is not None
        found = self._shown.reload()
        if found == self._shown:
            return None
        self._shown = dataclasses.replace(found, reload=self._shown.reload)
        return found._configuration()


def _context(protocol: int, trusted: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=trusted.decode("ascii"))
    return context


def _load(context: ssl.SSLContext, key: bytes, chain: bytes) -> None:
    with _memory_file(key) as key_path, _memory_file(chain) as chain_path:
        context.load_cert_chain(chain_path, key_path)


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """A path to `content` that never reaches a disk: `ssl` reads keys from files only."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
