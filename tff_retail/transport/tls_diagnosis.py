"""Why a store can't connect to headquarters, in one sentence that says what to do.

gRPC tells little of a handshake that failed, so the same way is gone once more with plain sockets.
"""

import asyncio
import datetime
import socket
import ssl
import urllib.parse

from cryptography import x509

from tff_retail.transport.outbound_socket import ProxyRefused, open_outbound_socket
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.tls import ClientTls

# Of OpenSSL, https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_AUTHORITY = frozenset({2, 18, 19, 20, 21, 24, 26})
_OTHER_NAME = frozenset({62, 64})


class _Found(Exception):
    """The reason is known."""


async def diagnose_connection(
    server_address: str, tls: ClientTls, proxies: ProxySettings, timeout_s: float
) -> str:
    """Connects once more, up to the end of the handshake.

    Args:
      server_address: `host:port`.
      tls: the store's.
      proxies: of this machine.
      timeout_s: for each step; a firewall that drops packets never answers.

    Returns:
      One sentence.
    """
    flaw = await asyncio.to_thread(
        connection_flaw, server_address, tls, proxies, timeout_s=timeout_s
    )
    return flaw or (
        f"Headquarters at {server_address} answered, but the link to it was not made; it may be "
        "starting, or something else listens there"
    )


def connection_flaw(
    server_address: str, tls: ClientTls, proxies: ProxySettings, *, timeout_s: float
) -> str | None:
    """Connects, up to the end of the handshake; one sentence, or None where all went well.

    Args:
      server_address: `host:port`.
      tls: the store's.
      proxies: of this machine.
      timeout_s: for each step.
    """
    host, _, port = server_address.rpartition(":")
    try:
        _check_own_certificate(tls)
        with _connect(host.strip("[]"), int(port), proxies, timeout_s) as connection:
            _shake_hands(connection, host.strip("[]"), server_address, tls)
    except _Found as found:
        return str(found)
    return None


def _check_own_certificate(tls: ClientTls) -> None:
    certificate = x509.load_pem_x509_certificate(tls.chain)
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc < now:
        raise _Found(
            f"This store's certificate ended on {_day(certificate.not_valid_after_utc)} and "
            f"{_clock()}; set the clock, or let the store join again"
        )
    if certificate.not_valid_before_utc > now:
        raise _Found(
            f"This store's certificate begins on {_day(certificate.not_valid_before_utc)} and "
            f"{_clock()}; set the clock"
        )


def _connect(host: str, port: int, proxies: ProxySettings, timeout_s: float) -> socket.socket:
    proxy = proxies.proxy_for(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    whom, setting, address = "headquarters", "--server_address", f"{host}:{port}"
    if proxy is not None:
        parts = urllib.parse.urlsplit(proxy)
        whom, setting = "the proxy", "HTTPS_PROXY"
        address = f"{parts.hostname}:{parts.port}"
    try:
        return open_outbound_socket(host, port, proxies, timeout_s)
    except ProxyRefused as error:
        raise _Found(_flaw_of_proxy(str(error), f"{host}:{port}")) from error
    except socket.gaierror:
        reason = f"the name {address.rpartition(':')[0]} is not known; check {setting} and DNS"
    except TimeoutError:
        reason = f"{address} does not answer; check {setting} and the firewall"
    except ConnectionRefusedError:
        reason = f"nothing listens at {address}; check {setting}, or wait until it is up"
    except OSError as error:
        reason = f"{address}: {error.strerror}; check {setting} and the network"
    raise _Found(f"Can't reach {whom}: {reason}")


def _flaw_of_proxy(answer: str, target: str) -> str:
    if " 407" in answer:
        return f"{answer}: it wants another user name and password; check HTTPS_PROXY"
    return (
        f"{answer} for {target}; ask whoever runs it to allow that address, or name the host in "
        "NO_PROXY"
    )


def _shake_hands(connection: socket.socket, host: str, server_address: str, tls: ClientTls) -> None:
    context = tls.ssl_context()
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(connection, server_hostname=host) as shaken:
            # In TLS 1.3 the server looks at our certificate only after our handshake is over. One
            # that is content speaks first in HTTP/2.
            if shaken.recv(1):
                return
    except ssl.SSLCertVerificationError as error:
        raise _Found(_flaw_of_theirs(error, host, server_address)) from error
    except TimeoutError as error:
        raise _Found(f"{server_address} does not finish the TLS handshake") from error
    except ssl.SSLError as error:
        raise _Found(_flaw_of_ours(error.reason or "", server_address)) from error
    except OSError:
        pass  # reset: the same as an end
    raise _Found(_flaw_of_ours("", server_address))


def _flaw_of_theirs(error: ssl.SSLCertVerificationError, host: str, server_address: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return (
            f"Headquarters' certificate has ended, or this machine's clock is ahead: {_clock()}; "
            "set the clock, or have headquarters' certificate renewed (`fleet rotate`)"
        )
    if code == _NOT_YET_VALID:
        return (
            "Headquarters' certificate is not valid yet: this machine's clock is behind, "
            f"{_clock()}; set the clock"
        )
    if code in _OTHER_AUTHORITY:
        return (
            f"{server_address} shows a certificate of another authority than this store's chain; "
            "check --server_address, or join the chain that is there"
        )
    if code in _OTHER_NAME:
        return (
            f"{server_address} shows a certificate for another name than {host}; dial headquarters "
            "by a name that `fleet init --hosts` was given"
        )
    return f"{server_address} shows a certificate that is refused: {error.verify_message}"


def _flaw_of_ours(reason: str, server_address: str) -> str:
    """What headquarters has against this store, by the TLS alert that it sent, if it did."""
    if "EXPIRED" in reason:
        why = f"it has ended by headquarters' clock ({_clock()})"
    elif "REVOKED" in reason:
        why = "it was revoked"
    elif "UNKNOWN_CA" in reason:
        why = "it is of another authority than headquarters' chain"
    elif "VERSION" in reason or "HTTP_REQUEST" in reason or "RECORD" in reason:
        return f"{server_address} does not speak TLS 1.2 or newer; check --server_address"
    else:
        why = "it may be of another chain, ended or revoked"
    return (
        f"Headquarters at {server_address} turned this store's certificate away: {why}; let the "
        "store join again"
    )


def _clock() -> str:
    now = datetime.datetime.now(datetime.UTC)
    return f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC"


def _day(when: datetime.datetime) -> str:
    return f"{when:%Y-%m-%d}"
