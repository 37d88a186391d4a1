"""How much a link takes from its other end; each limit with its reason."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinkLimits:
    """Limits of one link.

    Attributes:
      max_calls: unanswered calls at a time. A round makes one after the other; evaluation beside
        training and an unmodified TFF client that makes a value for each leaf stay below it.
      max_transfer_bytes: of one body. Protobuf refuses messages of 2 GiB.
      max_receiving_bytes: at a store, of all bodies that are on their way or at work: several
        models of 100 MB, while a till of 4 GB beside it keeps its memory.
      max_spare_bytes: at a store, of memory that is kept for the next body: one model of 100 MB. It
        is the system's as soon as anything else needs it.
      frames_per_second: that answer nothing and carry no body, in the long run. A round has a
        handful, and a parse takes some 20 µs.
      frame_burst: of these frames at a time, for the moments after a connection.
      max_waiting_frames: small frames that wait to be sent; who lets so many wait reads nothing.
      hello_s: seconds until both ends have introduced themselves: several round trips by satellite
        to a loaded machine.
      welcome_s: seconds between looks whether stores that are connected are still welcome. A look
        at a store takes some 10 µs.
      farewell_s: seconds in which what is written at the end of a link has to be on its way.
      keepalive_s: seconds between pings and for their answers: a half-open link is found within
        twice that, below a minute, and a ping a quarter of a minute costs 5 bytes a second.
    """

    max_calls: int = 64
    max_transfer_bytes: int = 2**31 - 1
    max_receiving_bytes: int = 1024**3
    max_spare_bytes: int = 128 * 1024**2
    frames_per_second: float = 200.0
    frame_burst: int = 1000
    max_waiting_frames: int = 1000
    hello_s: float = 20.0
    welcome_s: float = 2.0
    farewell_s: float = 2.0
    keepalive_s: float = 15.0
