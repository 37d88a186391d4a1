"""The chain's stores as a `tff.program.FederatedDataSource`, for TFF's programs.

Data is named and never handed over: what is selected are names, which the context that runs the
round knows, see `context.RoundFormContext`. So the iterator is a few bytes in a program's state,
and a resumed program goes on with the cohorts it would have had.
"""

import copy
import json
from collections.abc import Sequence

import tensorflow_federated as tff

# The protocol buffers of TFF have no public path; a value that is named is one of them.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.cohort import draw_cohort
from tff_retail.runtime.store_in_round import StoreInRound


class StoreDataSource(tff.program.FederatedDataSource):
    """Stores by name.

    Args:
      names: of all stores, in an order that does not change.
      federated_type: of their data, such as `process.next.type_signature.parameter[1]`.
      seed: of the run, which cohorts derive from.
    """

    def __init__(
        self, names: Sequence[str], federated_type: tff.FederatedType, *, seed: int
    ) -> None:
        self._names = tuple(names)
        self._federated_type = federated_type
        self._seed = seed

    @property
    def federated_type(self) -> tff.FederatedType:
        """The type of the data that a selection stands for."""
        return self._federated_type

    def iterator(self) -> "StoreDataSourceIterator":
        """Rounds from the first on."""
        return StoreDataSourceIterator(self._names, self._federated_type, seed=self._seed)


class StoreDataSourceIterator(tff.program.FederatedDataSourceIterator):
    """Selects the cohort of one round after the other.

    Args:
      names, federated_type, seed: see `StoreDataSource`.
      round_num: of the next selection.
    """

    def __init__(
        self,
        names: Sequence[str],
        federated_type: tff.FederatedType,
        *,
        seed: int,
        round_num: int = 1,
    ) -> None:
        self._names = tuple(names)
        self._federated_type = federated_type
        self._seed = seed
        self._round_num = round_num

    @property
    def federated_type(self) -> tff.FederatedType:
        """The type of the data that a selection stands for."""
        return self._federated_type

    def select(self, k: int | None = None) -> list[StoreInRound]:
        """The cohort of the next round, a function of (seed, round, k) alone.

        Args:
          k: how many stores; all when None.

        Raises:
          ValueError: there are not so many.
        """
        size = len(self._names) if k is None else k
        if not 1 <= size <= len(self._names):
            raise ValueError(f"A cohort must be of 1 to {len(self._names)} stores, found {size}.")
        round_num, self._round_num = self._round_num, self._round_num + 1
        positions = draw_cohort(len(self._names), size, seed=self._seed, round_num=round_num)
        return [StoreInRound(self._names[position], round_num) for position in positions]

    def __deepcopy__(self, memo: dict[int, object]) -> "StoreDataSourceIterator":
        # Programs copy it before each round. TFF's types can't be copied and never change.
        return copy.copy(self)

    def to_bytes(self) -> bytes:
        """Everything, as JSON."""
        type_proto = tff.types.serialize_type(self._federated_type)
        values = {
            "names": self._names,
            "federated_type": type_proto.SerializeToString(deterministic=True).hex(),
            "seed": self._seed,
            "round_num": self._round_num,
        }
        return json.dumps(values).encode()

    @classmethod
    def from_bytes(cls, buffer: bytes) -> "StoreDataSourceIterator":
        """What `to_bytes` wrote."""
        values = json.loads(buffer)
        type_proto = computation_pb2.Type.FromString(bytes.fromhex(values["federated_type"]))
        return cls(
            values["names"],
            tff.types.deserialize_type(type_proto),
            seed=values["seed"],
            round_num=values["round_num"],
        )
