"""What a store makes of what headquarters sends."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tff_retail.transport.headquarters_link import HeadquartersLink
from tff_retail.transport.link_frames import Buffer


class LinkHandler(Protocol):
    """Called on the client's event loop.

    All but `call` are awaited before anything more is read, so they must return soon and must not
    wait for what is still to come: a content comes after `take_manifest` has returned.
    """

    async def joined(self, link: HeadquartersLink, run: str) -> None:
        """Headquarters welcomed the store to a run, or to none ('')."""
        ...

    async def take_manifest(self, link: HeadquartersLink, digest: str, signed: memoryview) -> None:
        """A manifest came; answer by `link.want`, `link.ready` or `link.decline`."""
        ...

    async def take_content(self, link: HeadquartersLink, digest: str, body: memoryview) -> None:
        """A content came that was wanted; its digest is to be checked."""
        ...

    async def call(self, method: str, body: memoryview) -> Sequence[Buffer]:
        """Does what a call asks; runs as a task, cancelled when nobody wants the answer any more.

        `body` is the handler's until the answer is sent; the answer may refer to it.

        Raises:
          CallFailed: with the status and the reason that headquarters may know.
        """
        ...

    async def take_acknowledgement(self, run: str, round_num: int) -> None:
        """A round is durable at headquarters: what was kept up to it may go."""
        ...

    async def take_countersigned(self, header: Mapping[str, Any]) -> None:
        """Headquarters signed a head that it was told; whether it did is to be checked.

        `header` is that of the frame: log, sequence, hash, time, signature and certificates.
        """
        ...

    async def take_model(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """A finished model came; digest and signature (Base64) are to be checked."""
        ...

    def left(self, reason: str, delay_s: float) -> None:
        """The link is gone, or could not be made, and is tried again in `delay_s`."""
        ...
