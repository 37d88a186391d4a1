"""What a role's work may put out of a store."""

import dataclasses
from collections.abc import Mapping

from tff_retail.privacy.policy_rule import require_policy

# What a run of this release puts out beside its update, and what TFF's own processes do. The weight
# of an update has no name in TFF's structs.
UNNAMED = "unnamed"
_TRAINING = ("loss", "top_1", "top_5", "num_examples", "num_batches", UNNAMED)
_MEASURED = ("num_kept", "num_not_finite", "num_clipped", "norm")
_EVALUATION = ("loss", "top_1", "top_5", "num_examples", "num_batches")
# `learning/confidence_histogram.py` counts in so many bins.
_CONFIDENCE = {"confidence/num_examples": 1500, "confidence/num_right": 1500}
_MOST_NUMBERS = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoleRelease:
    """Bounds on the result of one role; whatever is not listed here stays at the store.

    Attributes:
      open: whether the store takes part in the role at all.
      updates: how often each tensor of the broadcast may come back as an update: the same shape, in
        floating point; or all of them together as `codes` and `scales`, with no more numbers.
      scalars: names of single numbers; each twice at most, as a mean is a total and a count.
      vectors: names of arrays of counts and how many numbers they may have: whole numbers from 0,
        together no more than there are photographs. Whatever has one number a label belongs into
        `per_label` instead.
      per_label: likewise; nothing is released unless every label that the store has examples of
        has `min_examples_per_label` of them.
      min_examples: photographs behind a result at least.
      min_labels: labels that these have at least.
      min_examples_per_label: see `per_label`.
    """

    open: bool = True
    updates: int = 0
    scalars: tuple[str, ...] = ()
    vectors: Mapping[str, int] = dataclasses.field(default_factory=dict)
    per_label: Mapping[str, int] = dataclasses.field(default_factory=dict)
    min_examples: int = 8
    min_labels: int = 2
    min_examples_per_label: int = 5

    def __post_init__(self) -> None:
        require_policy(0 <= self.updates <= 10, "updates", "in [0, 10]", self.updates)
        for key in ("min_examples", "min_labels", "min_examples_per_label"):
            value = getattr(self, key)
            require_policy(1 <= value <= _MOST_NUMBERS, key, "at least 1", value)
        for key in ("vectors", "per_label"):
            for name, most in getattr(self, key).items():
                rule = f"in [1, {_MOST_NUMBERS}]"
                require_policy(1 <= most <= _MOST_NUMBERS, f"{key}.{name}", rule, most)
        twice = (set(self.vectors) & set(self.per_label)) | (
            set(self.scalars) & (set(self.vectors) | set(self.per_label))
        )
        require_policy(
            not twice,
            "per_label",
            "of names that are listed once",
            sorted(twice),
            "leave each in one list",
        )

    @classmethod
    def of_training(cls) -> "RoleRelease":
        """The default of the role `train`."""
        return cls(updates=1, scalars=(*_TRAINING, *_MEASURED))

    @classmethod
    def of_evaluation(cls) -> "RoleRelease":
        """The default of the role `evaluate`, whose photographs are a fifth of the store's."""
        return cls(scalars=_EVALUATION, vectors=dict(_CONFIDENCE), min_examples=3, min_labels=1)
