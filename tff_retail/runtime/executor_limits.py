"""How much a store's executor holds for its callers."""

import dataclasses
import math
from collections.abc import Iterable

import tensorflow as tf

from tff_retail.runtime.approved_work import ApprovedWork

# Room for what is no broadcast: computations that a TFF client sends whole, small values.
_ROOM_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutorLimits:
    """Bounds on what callers can make a store hold.

    Attributes:
      max_request_bytes: of one request.
      max_value_bytes: of all executors' values; where they would take more, executors that were
        not used lately go first.
      max_executors: likewise; each connection of headquarters needs one.
      max_values: of all executors; a round needs five.
    """

    max_request_bytes: int = _ROOM_BYTES
    max_value_bytes: int = _ROOM_BYTES
    max_executors: int = 16
    max_values: int = 4096

    @classmethod
    def for_works(cls, works: Iterable[ApprovedWork]) -> "ExecutorLimits":
        """What calls of these works need.

        A round holds the broadcast three times over, alone, in a struct and in a call, and a round
        that was given up may leave as much.
        """
        largest = max((_broadcast_bytes(work) for work in works), default=0)
        return cls(
            max_request_bytes=2 * largest + _ROOM_BYTES, max_value_bytes=8 * largest + _ROOM_BYTES
        )


def _broadcast_bytes(work: ApprovedWork) -> int:
    return sum(
        tf.as_dtype(leaf.dtype).size * math.prod(size or 1 for size in leaf.shape)
        for leaf in work.part.parameter
        if not leaf.is_sequence
    )
