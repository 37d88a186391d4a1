"""How many examples a store has, as its executor says."""

import dataclasses
from collections.abc import Mapping

from tff_retail.privacy.refused import Refused
from tff_retail.privacy.role_release import RoleRelease

# What an executor tells of a split, beside how many examples it has: how many labels these are of,
# and how many there are of the rarest of these labels.
LABELS, FEWEST = "_labels", "_fewest"
# The rules that more photographs satisfy.
COUNTED_RULES = ("min_examples", "min_labels", "min_examples_per_label")


@dataclasses.dataclass(frozen=True)
class ExampleCounts:
    """Of one split.

    Attributes:
      examples: photographs.
      labels: that they have.
      fewest: photographs of the rarest of these labels.
    """

    examples: int = 0
    labels: int = 0
    fewest: int = 0

    @classmethod
    def read(cls, values: Mapping[str, float], split: str) -> "ExampleCounts":
        """What is said of a split; nothing said is none."""
        names = (split, f"{split}{LABELS}", f"{split}{FEWEST}")
        return cls(*(int(values.get(name, 0)) for name in names))

    def require(self, release: RoleRelease, role: str, *, by_label: bool) -> None:
        """Raises `Refused` where a result of these examples may not leave.

        Args:
          release: bounds of the role.
          role: for the sentence.
          by_label: whether the result has numbers by label.
        """
        if self.examples < release.min_examples:
            raise Refused(
                "min_examples",
                f"{role!r} needs {release.min_examples} photographs, found {self.examples}; add "
                f"some, or lower {role}.min_examples in the policy",
            )
        if self.labels < release.min_labels:
            raise Refused(
                "min_labels",
                f"{role!r} needs photographs of {release.min_labels} labels, found {self.labels}; "
                f"add some, or lower {role}.min_labels in the policy",
            )
        if by_label and self.fewest < release.min_examples_per_label:
            raise Refused(
                "min_examples_per_label",
                f"numbers by label need {release.min_examples_per_label} photographs of each label "
                f"that is there, found {self.fewest} of one; add some, or lower "
                f"{role}.min_examples_per_label in the policy",
            )
