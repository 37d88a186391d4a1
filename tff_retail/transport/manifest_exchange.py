"""A manifest and one store: sent, completed by what the store lacks, agreed or declined."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Mapping

from tff_retail.transport.headquarters_protocol import HeadquartersProtocol
from tff_retail.transport.link_faults import LinkLost, PeerFault, StoreRefused
from tff_retail.transport.link_frames import Buffer, Frame, Kind


@dataclasses.dataclass
class _Offer:
    """A manifest that the store has not answered yet; what was sent is not among the contents."""

    digest: str
    contents: dict[str, Buffer]
    answer: "asyncio.Future[None]"
    wanted: list[str] = dataclasses.field(default_factory=list)
    is_sending: bool = False


class ManifestExchange:
    """What headquarters and one store agreed on; the newest manifest counts.

    Args:
      protocol: headquarters' end of the link.
      on_standing: told why a store that was ready is not any more, and '' when it is ready again.

    Attributes:
      agreed: digest of the manifest under which the store is ready to work; '' while it is not.
      examples: how many it has by split, as far as it tells.
    """

    def __init__(self, protocol: HeadquartersProtocol, on_standing: Callable[[str], None]) -> None:
        self.agreed = ""
        self.examples: Mapping[str, int] = {}
        self._protocol, self._on_standing = protocol, on_standing
        self._withdrawn = ""
        self._offer: _Offer | None = None

    def offer(self, signed: bytes, contents: Mapping[str, Buffer]) -> "asyncio.Future[None]":
        """Queues a manifest.

        Args:
          signed: the manifest with its signature; the store knows it by its SHA-256.
          contents: by digest.

        Returns:
          Done when the store is ready; fails with `StoreRefused` or `LinkLost`.
        """
        self.end(LinkLost("A newer manifest took this one's place"))
        digest = hashlib.sha256(signed).hexdigest()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol.open(Kind.MANIFEST, {"digest": digest}, [signed])
        self._offer = _Offer(digest, dict(contents), answer)
        self.agreed = self._withdrawn = ""
        return answer

    def end(self, error: Exception) -> None:
        """Fails what is not answered."""
        offer, self._offer = self._offer, None
        if offer is not None and not offer.answer.done():
            offer.answer.set_exception(error)

    def take_want(self, frame: Frame) -> None:
        """Sends what the store lacks.

        Raises:
          PeerFault: the manifest names no such thing, or it was asked for already.
        """
        offer = self._offer
        if offer is None or frame.header["manifest"] != offer.digest:
            return  # of a manifest that was replaced meanwhile
        for digest in frame.header["digests"]:
            if digest not in offer.contents or digest in offer.wanted:
                raise PeerFault("A store must want only what the manifest names, and only once")
            offer.wanted.append(digest)
        if not offer.is_sending:
            self._send_next(offer)

    def take_ready(self, frame: Frame) -> None:
        """The store can work, or can again, or has other photographs than it had."""
        digest, offer = frame.header["manifest"], self._offer
        if offer is not None and digest == offer.digest:
            self.agreed, self._offer = digest, None
            if not offer.answer.done():
                offer.answer.set_result(None)
        is_again = digest == self._withdrawn
        if is_again:
            self.agreed, self._withdrawn = digest, ""
        if digest == self.agreed:
            self.examples = dict(frame.header["examples"])
        if is_again:
            self._on_standing("")

    def take_declined(self, frame: Frame) -> None:
        """The store will not work, or not any more until it says `ready` again."""
        digest = frame.header["manifest"]
        if digest in (self.agreed, self._withdrawn):
            self.agreed, self._withdrawn = "", digest
            self._on_standing(frame.header["sentence"])
        elif self._offer is not None and digest == self._offer.digest:
            self.end(StoreRefused(frame.header["code"], frame.header["sentence"]))

    def _send_next(self, offer: _Offer) -> None:
        """One content after the other: the store assembles no more than one at a time."""
        offer.is_sending = bool(offer.wanted) and offer is self._offer
        if offer.is_sending:
            digest = offer.wanted.pop(0)
            self._protocol.open(
                Kind.CONTENT,
                {"digest": digest},
                [offer.contents.pop(digest)],
                on_sent=lambda: self._send_next(offer),
            )
