"""What can go wrong on a store link, by whose fault.

As in h11: a `LocalFault` is a mistake of this process and never leaves it; a `PeerFault` is what
the other end must not do, and the link ends. The rest are outcomes that a caller must expect.
"""


class LinkFault(Exception):
    """A rule of the link was broken; the message is one sentence."""


class LocalFault(LinkFault):
    """This process broke a rule: a mistake in the program, and nothing was sent."""


class PeerFault(LinkFault):
    """The other end broke a rule; it may be mistaken, old or hostile."""


class CallFailed(Exception):
    """The store answered a call with a failure.

    Args:
      code: a gRPC status code, as in `grpc.StatusCode(…).value[0]`; never 0.
      reason: one sentence for a log, without paths.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class LinkLost(Exception):
    """The link ended before the answer was there; the message says why."""


class StoreRefused(Exception):
    """The store will not work under a manifest.

    Args:
      code: a short name for programs, such as `signature`.
      sentence: for people.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
