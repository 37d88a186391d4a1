"""The two ends of a store link, and the states that both go through."""

import enum


class Side(enum.Enum):
    """An end of the link."""

    HEADQUARTERS = "headquarters"
    STORE = "store"

    @property
    def other(self) -> "Side":
        """The other end."""
        return Side.STORE if self is Side.HEADQUARTERS else Side.HEADQUARTERS


class LinkState(enum.Enum):
    """Where a link is; both ends go through the same states."""

    OPENING = "opening"  # the store has to say hello
    GREETED = "greeted"  # headquarters has to welcome or to refuse it
    ATTENDING = "attending"  # the link works
    CLOSED = "closed"  # nothing may be sent any more
