"""A computation that a store may run and whose result may leave it."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.value_tree import Struct, ValueTree


@dataclasses.dataclass(frozen=True, eq=False)
class ApprovedWork:
    """A role of the manifest.

    Attributes:
      role: such as `train`.
      split: the examples that it runs on.
      part: the graph, which takes one data set.
    """

    role: str
    split: str
    part: GraphPart

    def __post_init__(self) -> None:
        num_sequences = sum(leaf.is_sequence for leaf in self.part.parameter)
        if num_sequences != 1:
            raise ValueError(
                f"An approved work must take one data set, found {num_sequences} in {self.role!r}."
            )

    @functools.cached_property
    def data_type(self) -> computation_pb2.Type:
        """The type of the data set that the graph takes."""
        (found,) = _sequence_types(self._type.function.parameter)
        return found

    @property
    def result_type(self) -> computation_pb2.Type:
        """The type of the graph's result."""
        return self._type.function.result

    def result_tree(self, leaves: list[np.ndarray]) -> ValueTree:
        """The graph's result in the structs of its type, from its leaves in order."""
        remaining = iter(leaves)
        tree = _tree(self.result_type, remaining)
        if next(remaining, None) is not None:
            raise ValueError(f"A result of {self.role!r} has more leaves than its type.")
        return tree

    @functools.cached_property
    def _type(self) -> computation_pb2.Type:
        return computation_pb2.Computation.FromString(self.part.computation).type


def _sequence_types(type_proto: computation_pb2.Type) -> Iterator[computation_pb2.Type]:
    kind = type_proto.WhichOneof("type")
    if kind == "sequence":
        yield type_proto
    elif kind == "struct":
        for element in type_proto.struct.element:
            yield from _sequence_types(element.value)


def _tree(type_proto: computation_pb2.Type, leaves: Iterator[np.ndarray]) -> ValueTree:
    if type_proto.WhichOneof("type") != "struct":
        return np.asarray(next(leaves))
    elements = type_proto.struct.element
    return Struct(tuple((element.name, _tree(element.value, leaves)) for element in elements))
