"""Which outputs of a graph may leave: checked against the policy before the graph may run.

A name says nothing of what an output holds: whoever makes the graph chooses it. What bounds a
hostile graph is how many numbers may leave in which form; the names are the contract with an honest
one, readable to the store's owner.
"""

import dataclasses
import math
from collections import Counter

from tff_retail.privacy.finding import Finding
from tff_retail.privacy.role_release import UNNAMED, RoleRelease
from tff_retail.privacy.value_type import OtherType, TensorType, ValueType, WorkType, leaves

_RULE = "egress_outputs"
# A mean is a total and a count.
_MOST_OF_A_NAME = 2
_UPDATE_DTYPES = ("float32", "float16", "bfloat16")
# `learning/update_encoding.py`: numbers of 4 to 16 bits, and a scale for each 128 of them.
_CODES, _SCALES = "codes", "scales"
_CODE_DTYPES = ("int8", "uint8", "float16", "bfloat16")
_SCALE_DTYPES = ("float32",)
# What is listed by name is counts (`listed_counts.py`).
_COUNT_DTYPES = ("int32", "int64")
_SCALE_BLOCK = 128


@dataclasses.dataclass(frozen=True)
class EgressContract:
    """What a role's work may put out, and what this graph of it would.

    Attributes:
      release: bounds of the role.
      type: of the graph.
    """

    release: RoleRelease
    type: WorkType

    @property
    def has_per_label(self) -> bool:
        """Whether something that it puts out is by label."""
        return any(
            output_name(path) in self.release.per_label for path, _ in leaves(self.type.gives)
        )

    def findings(self) -> list[Finding]:
        """What of the graph's outputs the policy does not let out; empty where all may leave."""
        left = _Left(self.release, self.type.takes)
        found: list[Finding] = []
        for path, output in leaves(self.type.gives):
            if isinstance(output, TensorType) and output.is_known:
                why = left.take(output_name(path), output)
            else:
                why = "is not of numbers in a fixed shape"
            if why:
                found.append(_not_let_out(path, output, why))
        return found


class _Left:
    """What may still leave of one result.

    Args:
      release: bounds of the role.
      takes: what the graph takes; the broadcast's tensors say what an update looks like.
    """

    def __init__(self, release: RoleRelease, takes: ValueType) -> None:
        self._scalars = {name: _MOST_OF_A_NAME for name in release.scalars}
        self._arrays = {**release.vectors, **release.per_label}
        self._shapes: Counter[tuple[int, ...]] = Counter()
        for _, tensor in leaves(takes):
            if (
                isinstance(tensor, TensorType)
                and tensor.is_known
                and tensor.dtype in _UPDATE_DTYPES
            ):
                self._shapes[tensor.shape] += release.updates
        # Of an update in codes: as many as the broadcast has, unless it comes in tensors.
        self._codes = sum(times * math.prod(shape) for shape, times in self._shapes.items())
        self._scales = -(-self._codes // _SCALE_BLOCK)

    def take(self, name: str, output: TensorType) -> str:
        """Why an output may not leave beside those before it; '' where it may."""
        if not output.shape and name in self._scalars:
            self._scalars[name] -= 1
            return "is there more than twice" if self._scalars[name] < 0 else ""
        if name in self._arrays and output.shape and output.dtype not in _COUNT_DTYPES:
            return f"must be an array of counts, of {' or '.join(_COUNT_DTYPES)}"
        if name in self._arrays:
            most, self._arrays[name] = self._arrays[name], 0
            return f"has more than the {most} numbers that are left" * (output.num_elements > most)
        if len(output.shape) == 1 and name in (_CODES, _SCALES):
            return self._take_encoded(name, output)
        if output.dtype in _UPDATE_DTYPES and self._shapes[output.shape] > 0:
            self._shapes[output.shape] -= 1
            self._codes = self._scales = 0
            return ""
        return "is neither listed nor an update"

    def _take_encoded(self, name: str, output: TensorType) -> str:
        is_codes = name == _CODES
        dtypes, most = (_CODE_DTYPES, self._codes) if is_codes else (_SCALE_DTYPES, self._scales)
        if output.dtype not in dtypes or output.num_elements > most:
            return f"must be at most {most} of {' or '.join(dtypes)}"
        self._shapes.clear()
        if is_codes:
            self._codes = 0
        else:
            self._scales = 0
        return ""


def output_name(path: str) -> str:
    """A path without the positions around it: `loss` of `0/0/loss/1`, `unnamed` of `0/2`."""
    parts = path.split("/")
    while parts and parts[0].isdecimal():
        parts.pop(0)
    while parts and parts[-1].isdecimal():
        parts.pop()
    return "/".join(parts) or UNNAMED


def _not_let_out(path: str, output: ValueType, why: str) -> Finding:
    shown = "data set" if isinstance(output, OtherType) else str(output)
    sentence = (
        f"the output {path!r:.100} of the type {shown:.60} {why}; list it in the policy if it may "
        "leave"
    )
    return Finding(_RULE, path[:100], sentence)
