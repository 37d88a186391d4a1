"""A result that may leave, as it is put on record before it does."""

import dataclasses
from collections import Counter
from typing import Any

from tff_retail.privacy.release_ledger import AskedWork
from tff_retail.privacy.value_type import TensorType, ValueType, leaves

# A run is a folder's name at headquarters.
_MAX_NAME = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleasedResult:
    """What is about to leave.

    Attributes:
      asked: the run, the round and the role that it is the result of.
      type: of the value.
      num_bytes: of the message.
      sha256: of the message, in hexadecimal.
    """

    asked: AskedWork
    type: ValueType
    num_bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Its fields in the audit log; of the types, tensors and numbers by data type."""
        tensors = [leaf for _, leaf in leaves(self.type) if isinstance(leaf, TensorType)]
        num_tensors = Counter(tensor.dtype for tensor in tensors)
        types = {
            dtype: {
                "tensors": number,
                "numbers": sum(each.num_elements for each in tensors if each.dtype == dtype),
            }
            for dtype, number in num_tensors.items()
        }
        asked = self.asked
        run = asked.run[:_MAX_NAME]
        found = {"run": run, "round": asked.round_num, "role": asked.role, "types": types}
        part = {"part": asked.part} if asked.part else {}
        return {**found, **part, "bytes": self.num_bytes, "sha256": self.sha256}
