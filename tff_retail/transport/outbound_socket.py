"""A TCP connection to headquarters, through a proxy where there is one (RFC 9110, CONNECT)."""

import base64
import socket
import urllib.parse

from tff_retail.transport.proxy_settings import ProxySettings

# A proxy's answer to CONNECT: status line and headers.
_MAX_ANSWER_BYTES = 16 * 1024


class ProxyRefused(OSError):
    """The proxy does not connect us; the message says why."""


def open_outbound_socket(
    host: str, port: int, proxies: ProxySettings, timeout_s: float
) -> socket.socket:
    """A connected socket.

    Args:
      host: name or address.
      port: of headquarters.
      proxies: of this machine.
      timeout_s: for each step of it.

    Raises:
      OSError: it can't be reached; `ProxyRefused` where the proxy said no.
    """
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    proxy = proxies.proxy_for(shown)
    if proxy is None:
        return socket.create_connection((host, port), timeout_s)
    parts = urllib.parse.urlsplit(proxy)
    assert parts.hostname is not None and parts.port is not None
    connection = socket.create_connection((parts.hostname, parts.port), timeout_s)
    try:
        connection.sendall(_connect_request(shown, parts))
        _read_answer(connection, parts.hostname)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_request(shown: str, parts: urllib.parse.SplitResult) -> bytes:
    lines = [f"CONNECT {shown} HTTP/1.1", f"Host: {shown}"]
    if parts.username is not None:
        user, password = map(urllib.parse.unquote, (parts.username, parts.password or ""))
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {word}")
    return "\r\n".join([*lines, "", ""]).encode()


def _read_answer(connection: socket.socket, proxy: str) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        # One byte at a time: what follows belongs to TLS.
        byte = connection.recv(1)
        if not byte or len(answer) >= _MAX_ANSWER_BYTES:
            raise ProxyRefused(f"the proxy {proxy} gave no answer to CONNECT")
        answer += byte
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    words = status.split(" ", 2)
    if len(words) < 2 or not words[1].startswith("2"):
        raise ProxyRefused(f"the proxy {proxy} answered {status[:80]!r}")
