"""The arithmetic of a cohort's sum: one store's leaf, the join of two sums, the finished total.

Every collector that sums in the open is made of it; what differs is how stores are asked.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import RoundForm
from tff_retail.runtime.zero_pages import zeros_without_memory

Leaves = list[np.ndarray]

# The elements of `work`'s result (TFF's `forms.py`): the update, two kinds of secure sums with a
# bound on each value, and secure sums with a modulus.
_UPDATE = 0
_MODULAR_SUM = 3


@dataclasses.dataclass(frozen=True)
class PartialSum:
    """The sum over a subtree of a cohort; its arrays may be read-only (Ray's object store).

    Attributes:
      accumulator: the leaves of the updates' accumulator.
      secure: the secure sums.
    """

    accumulator: Leaves
    secure: Leaves


class CohortSums:
    """Adds up with the graphs of a round form.

    Args:
      form: whose `zero`, `accumulate`, `merge` and `report` make the sum.
    """

    def __init__(self, form: RoundForm) -> None:
        self._zero = PartSession(form["zero"])
        self._accumulate = PartSession(form["accumulate"], in_pieces=True)
        self._merge = PartSession(form["merge"], in_pieces=True)
        self._report = PartSession(form["report"])
        self._moduli = _moduli(form)
        self._slots = [leaf.element for leaf in form["work"].result]
        self._no_secure_sums = _no_secure_sums(form)

    def zero(self) -> Leaves:
        """The accumulator of no store, which a round's leaves begin with; read-only."""
        return [zeros_without_memory(leaf) for leaf in self._zero()]

    def leaf(self, zero: Leaves, outputs: Sequence[np.ndarray]) -> PartialSum:
        """One store's part of the sum.

        Args:
          zero: the accumulator of no store.
          outputs: the leaves of `work`'s result; the sum may refer to those summed securely.
        """
        update = [v for v, slot in zip(outputs, self._slots, strict=True) if slot == _UPDATE]
        secure = [v for v, slot in zip(outputs, self._slots, strict=True) if slot != _UPDATE]
        reduced = [
            value if modulus is None else np.mod(value, modulus).astype(value.dtype)
            for value, modulus in zip(secure, self._moduli, strict=True)
        ]
        return PartialSum(self._accumulate([*zero, *update]), reduced)

    def join(self, left: PartialSum, right: PartialSum) -> PartialSum:
        """The sum over two neighbours in the tree, which are used up."""
        secure = [
            a + b if modulus is None else _add_modulo(a, b, modulus)
            for a, b, modulus in zip(left.secure, right.secure, self._moduli, strict=True)
        ]
        models = [*left.accumulator, *right.accumulator]
        left.accumulator.clear()
        right.accumulator.clear()
        return PartialSum(self._merge.consume(models), secure)

    def finish(self, total: PartialSum | None) -> Leaves:
        """The leaves of `update`'s second argument; None stands for a sum over no store."""
        if total is None:
            total = PartialSum(self._zero(), self._no_secure_sums)
        return self._report(total.accumulator) + total.secure

    def close(self) -> None:
        """Ends the sessions."""
        for session in (self._zero, self._accumulate, self._merge, self._report):
            session.close()


def _moduli(form: RoundForm) -> list[np.ndarray | None]:
    """The modulus of every secure slot of `work`, in order; None for the sums without one."""
    slots = [leaf.element for leaf in form["work"].result]
    moduli = PartSession(form["secure_modular_sum_modulus"])
    values = iter(moduli())
    moduli.close()
    return [next(values) if slot == _MODULAR_SUM else None for slot in slots if slot != _UPDATE]


def _no_secure_sums(form: RoundForm) -> Leaves:
    """The secure sums over no store at all."""
    return [
        np.zeros([size or 0 for size in leaf.shape], leaf.dtype)
        for leaf in form["work"].result
        if leaf.element != _UPDATE
    ]


def _add_modulo(a: np.ndarray, b: np.ndarray, modulus: np.ndarray) -> np.ndarray:
    """(a + b) mod modulus of two values in [0, modulus).

    Their sum may not fit their own type; both are below 2^63, so it fits 64 bits without a sign.
    """
    total = np.add(a, b, dtype=np.uint64, casting="unsafe")
    return np.mod(total, np.uint64(modulus)).astype(np.asarray(a).dtype)
