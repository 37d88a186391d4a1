"""What headquarters can check of an update without the photographs that it was made of.

A store clips its own update, as the graph of its work says. One that runs another program need not,
so headquarters holds what came in to the same bound. The number of examples that a store says it
has is its word, within what a store can have at all.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tff_retail.config import LearningConfig
from tff_retail.learning.update_encoding import UpdateEncoding
from tff_retail.runtime.graph_part import Leaf
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.value_decoding import MalformedValue

# What float32 adds to the norm of an update that was clipped to a bound exactly.
_ROUNDING = 1.01
# Photographs times epochs, more than any store has; what is far larger overflows the sum.
_MOST_WEIGHT = 1e9


@dataclasses.dataclass(frozen=True)
class UpdateBounds:
    """Checks what one store adds to the sum of a round of training.

    Attributes:
      update: positions of the accumulator's leaves that have the weighted update.
      weight: position of its weight.
      needs_norm: whether the norm is taken at all: where it is bounded, or where numbers that came
        in finite may not be so decoded.
      most_norm: bound on the norm of the update; infinite for none.
    """

    update: tuple[int, ...]
    weight: int
    needs_norm: bool
    most_norm: float

    @classmethod
    def of(cls, form: RoundForm, learning: LearningConfig) -> "UpdateBounds":
        """The bounds of a round of training.

        Raises:
          ValueError: the form is not one of federated averaging.
        """
        leaves = form["accumulate"].result
        weight = _weight(leaves)
        element = leaves[weight].element - 1
        narrow, clip_norm = learning.update_dtype != "float32", learning.update_clip_norm
        growth = UpdateEncoding(learning.update_dtype).growth if narrow else 1.0
        return cls(
            tuple(place for place, leaf in enumerate(leaves) if leaf.element == element),
            weight,
            narrow or clip_norm is not None,
            math.inf if clip_norm is None else clip_norm * growth * _ROUNDING,
        )

    def __call__(self, accumulator: Sequence[np.ndarray]) -> None:
        """Raises `MalformedValue` where one store's accumulator breaks a bound."""
        weight = float(accumulator[self.weight])
        if not 0 <= weight <= _MOST_WEIGHT:
            raise MalformedValue(
                f"its update must weigh 0 to {_MOST_WEIGHT:g} examples, found {weight:g}"
            )
        if not self.needs_norm:
            return
        norm = _norm([accumulator[place] for place in self.update])
        if not math.isfinite(norm):
            raise MalformedValue("its update must have a finite norm, found none once decoded")
        # Not divided by the weight: what weighs nothing may add nothing.
        if norm > self.most_norm * weight and norm > 0:
            raise MalformedValue(
                "its update must be within --update_clip_norm, which its own work keeps to, found "
                f"a norm of {norm / weight if weight else math.inf:.3g} and {self.most_norm:.3g} "
                "allowed with rounding"
            )


def _weight(leaves: Sequence[Leaf]) -> int:
    """The one element of the accumulator that is a single float: what the mean is divided by."""
    found = [
        place
        for place, leaf in enumerate(leaves)
        if leaf.path == str(leaf.element) and not leaf.shape and leaf.dtype == "float32"
    ]
    if len(found) != 1:
        raise ValueError(f"An accumulator must have one weight, found {len(found)}")
    return found[0]


def _norm(arrays: Sequence[np.ndarray]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
