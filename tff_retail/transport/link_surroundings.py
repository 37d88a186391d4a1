"""What all links of a server share: limits, and who is told of stores that come and go."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tff_retail.transport.body_memory import BodyMemory
from tff_retail.transport.link_frames import MAX_BODY_BYTES
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.receiving_budget import ReceivingBudget

if TYPE_CHECKING:
    from tff_retail.transport.store_link import StoreLink

# Why links leave that headquarters ends itself, at its own end.
HEADQUARTERS_ENDED = "headquarters ended"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinkSurroundings:
    """Everything is called on the server's event loop.

    Attributes:
      run: that stores are welcomed to; '' outside of one.
      versions: of the link that headquarters speaks.
      limits: of each link.
      budget: for the results of all of them.
      memory: for these results.
      is_welcome: None, or one sentence why the holder of a certificate is not.
      on_joined: called when a store was welcomed.
      on_left: called with the reason when a store that had joined is gone.
      on_report: called with the header of a `report` when a store tells of itself.
      on_standing: called when a store that was ready is not any more, with its sentence, and with
        '' when it is ready again.
      part_bytes: gives the size of the next part of a body that is sent.
      on_refused: called with the sentence that a store was told which was not welcomed.
      on_head: called with the header of a `head`, which a store shows after an acknowledgement.
    """

    run: str
    versions: tuple[int, ...]
    limits: LinkLimits
    budget: ReceivingBudget
    memory: BodyMemory
    is_welcome: Callable[[PeerCertificate], str | None]
    on_joined: "Callable[[StoreLink], None]"
    on_left: "Callable[[StoreLink, str], None]"
    on_report: "Callable[[StoreLink, Mapping[str, Any]], None]"
    on_standing: "Callable[[StoreLink, str], None]" = lambda link, sentence: None
    part_bytes: Callable[[], int] = lambda: MAX_BODY_BYTES
    on_refused: "Callable[[StoreLink, str], None]" = lambda link, sentence: None
    on_head: "Callable[[StoreLink, Mapping[str, Any]], None]" = lambda link, head: None
