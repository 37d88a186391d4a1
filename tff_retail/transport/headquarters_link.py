"""Headquarters, as a connected store speaks to it."""

from collections.abc import Callable, Mapping, Sequence

from tff_retail.transport.link_faults import LinkLost
from tff_retail.transport.link_frames import FRAMES, Frame, Kind, LinkState
from tff_retail.transport.link_protocol import LinkProtocol


class HeadquartersLink:
    """What a store may say at any time; used on the client's event loop.

    Nothing here waits: a frame is queued and sent before what is left of any body.

    Args:
      protocol: the store's end.
      wake: called when something was queued.
    """

    def __init__(self, protocol: LinkProtocol, wake: Callable[[], None]) -> None:
        self._protocol = protocol
        self._wake = wake
        self._wanted: set[str] = set()

    def want(self, manifest: str, digests: Sequence[str]) -> None:
        """Asks for contents of a manifest, each once.

        Args:
          manifest: digest of the manifest.
          digests: of what the store lacks.

        Raises:
          LinkLost: the link ended.
        """
        self._wanted.update(digests)
        self._send(Kind.WANT, manifest=manifest, digests=list(digests))

    def ready(self, manifest: str, examples: Mapping[str, int]) -> None:
        """Says that the store can work; again when its photographs have changed.

        Args:
          manifest: digest of the manifest.
          examples: how many there are by split; empty if the store keeps that to itself.

        Raises:
          LinkLost: the link ended.
        """
        self._send(Kind.READY, manifest=manifest, examples=dict(examples))

    def decline(self, manifest: str, code: str, sentence: str) -> None:
        """Says that the store will not work under a manifest, and why.

        Raises:
          LinkLost: the link ended.
        """
        self._send(Kind.DECLINED, manifest=manifest, code=code, sentence=sentence[:500])

    def report(self, state: str, *, code: str = "", values: Mapping[str, float]) -> None:
        """Tells of the store itself, apart from any update.

        Args:
          state: one word, such as `working`.
          code: of what is wrong; '' if nothing is.
          values: numbers by name, such as `seconds`.

        Raises:
          LinkLost: the link ended.
        """
        self._send(Kind.REPORT, state=state, code=code, values=dict(values))

    @property
    def countersigns(self) -> bool:
        """Whether headquarters speaks a version of the link that has heads of audit logs."""
        return self._protocol.version >= FRAMES[Kind.HEAD].since

    def tell_head(self, log: str, sequence: int, entry_hash: str) -> None:
        """Shows headquarters the last entry of the audit log, once for each acknowledgement.

        Args:
          log: hash of the log's first entry.
          sequence: of the last entry.
          entry_hash: of the last entry, in hexadecimal.

        Raises:
          LinkLost: the link ended.
        """
        self._send(Kind.HEAD, log=log, sequence=sequence, hash=entry_hash)

    def goodbye(self, reason: str) -> None:
        """Ends the link once that is on its way; nothing if it ended already."""
        if self._protocol.state is not LinkState.CLOSED:
            self._send(Kind.GOODBYE, reason=reason)

    def expects(self, digest: str) -> bool:
        """Whether a content was asked for and has not come; it is expected no more from now on."""
        is_expected = digest in self._wanted
        self._wanted.discard(digest)
        return is_expected

    def _send(self, kind: Kind, **header: object) -> None:
        if self._protocol.state is LinkState.CLOSED:
            raise LinkLost("The link to headquarters has ended")
        self._protocol.send(Frame(kind, header))
        self._wake()
