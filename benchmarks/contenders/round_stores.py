"""Stores that answer the calls of a round at once, many of them in a process.

    python -m benchmarks.contenders.round_stores --address=… --certificates=… --stores=0:250 \
        --answer=FILE

Their links are those of a real store, and so are the bytes that they take and give; what a real
one computes between is left out, and with it TensorFlow.
"""

import argparse
import asyncio
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_client import LinkClient
from tff_retail.transport.link_frames import Buffer
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.tls import ClientTls

# `GetExecutorResponse`, and the responses that give a reference to a value: all of them hold in
# their first field a message whose first field is a name.
_REFERENCE = b"\x0a\x03\x0a\x01v"


class _Answers:
    """A handler whose store does any work in no time.

    Args:
      answer: to `Compute`.
    """

    def __init__(self, answer: bytes) -> None:
        self._answers = {"Compute": [answer], "Dispose": [], "DisposeExecutor": []}

    async def joined(self, link: HeadquartersLink, run: str) -> None:
        """Nothing to do."""

    async def take_manifest(self, link: HeadquartersLink, digest: str, signed: memoryview) -> None:
        """Ready at once."""
        link.ready(digest, {"train": 1})

    async def take_content(self, link: HeadquartersLink, digest: str, body: memoryview) -> None:
        """Never asked for."""

    async def call(self, method: str, body: memoryview) -> Sequence[Buffer]:
        """What was prepared."""
        return self._answers.get(method, [_REFERENCE])

    async def take_acknowledgement(self, run: str, round_num: int) -> None:
        """Nothing is kept."""

    async def take_countersigned(self, header: Mapping[str, Any]) -> None:
        """No head was told."""

    async def take_model(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """Not used."""

    def left(self, reason: str, delay_s: float) -> None:
        """Tries again; the driver ends this process."""


async def _attend(address: str, certificates: pathlib.Path, names: range, answer: bytes) -> None:
    hello = Hello(software="benchmark", tensorflow="", python="")
    handler = _Answers(answer)
    async with asyncio.TaskGroup() as stores:
        for number in names:
            folder = certificates / str(number)
            tls = ClientTls(*((folder / name).read_bytes() for name in ("key", "chain", "root")))
            client = LinkClient(address, tls, hello, handler, proxies=ProxySettings())
            stores.create_task(client.run())


def main() -> None:
    """Runs until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--certificates", type=pathlib.Path, required=True)
    parser.add_argument("--stores", required=True, help="the first, and the first not")
    parser.add_argument("--answer", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    names = range(*map(int, arguments.stores.split(":")))
    answer = arguments.answer.read_bytes()
    asyncio.run(_attend(arguments.address, arguments.certificates, names, answer))


if __name__ == "__main__":
    main()
