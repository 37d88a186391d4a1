"""A store that gives back what it is sent: over the store link, or over a plain TLS socket.

    python -m benchmarks.contenders.link_store --way=link --address=localhost:8443 --tls=FOLDER

It imports no TensorFlow, as the daemon at a store.
"""

import argparse
import asyncio
import pathlib
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_client import LinkClient
from tff_retail.transport.link_frames import Buffer
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.tls import ClientTls

# As `ssl` moves it: larger pieces are no faster.
_PIECE = 1 << 20
_SIZE_BYTES = 8


class _Echo:
    """A handler that answers each call with what it was sent."""

    async def joined(self, link: HeadquartersLink, run: str) -> None:
        """Nothing to do."""

    async def take_manifest(self, link: HeadquartersLink, digest: str, signed: memoryview) -> None:
        """Ready at once."""
        link.ready(digest, {})

    async def take_content(self, link: HeadquartersLink, digest: str, body: memoryview) -> None:
        """Never asked for."""

    async def call(self, method: str, body: memoryview) -> Sequence[Buffer]:
        """The body itself."""
        return [body]

    async def take_acknowledgement(self, run: str, round_num: int) -> None:
        """Nothing is kept."""

    async def take_countersigned(self, header: Mapping[str, Any]) -> None:
        """No head was told."""

    async def take_model(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """Not used."""

    def left(self, reason: str, delay_s: float) -> None:
        """The driver has ended, or something is wrong: either way it is over."""
        sys.exit(f"{reason}")


async def _attend(address: str, tls: ClientTls) -> None:
    hello = Hello(software="benchmark", tensorflow="", python="")
    await LinkClient(address, tls, hello, _Echo(), proxies=ProxySettings()).run()


def _echo_on_a_socket(address: str, tls: ClientTls) -> None:
    """Takes a size and so many bytes, then sends as many; nothing is assembled or framed."""
    host, _, port = address.rpartition(":")
    piece = bytearray(_PIECE)
    with tls.ssl_context().wrap_socket(
        socket.create_connection((host, int(port))), server_hostname=host
    ) as connection:
        while len(header := connection.recv(_SIZE_BYTES)) == _SIZE_BYTES:
            size = left = int.from_bytes(header, "big")
            while left:
                left -= connection.recv_into(piece, min(left, _PIECE))
            connection.sendall(bytes(size))


def main() -> None:
    """Runs until the driver is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=("link", "sockets"), required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    tls = ClientTls(*((arguments.tls / name).read_bytes() for name in ("key", "chain", "root")))
    if arguments.way == "link":
        asyncio.run(_attend(arguments.address, tls))
    else:
        _echo_on_a_socket(arguments.address, tls)


if __name__ == "__main__":
    main()
