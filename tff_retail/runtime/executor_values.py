"""What a store's executor holds for a caller, and how it is read from TFF's protocol buffers."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2, executor_pb2

from tff_retail.privacy.message_scan import Unreadable, scan_message
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.data_uri import DataName, MalformedUri, parse_data_uri, parse_work_uri
from tff_retail.runtime.executor_error import malformed, refused, too_much
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.value_decoding import MAX_DEPTH, MalformedValue, decode_array

# A network has some hundred weights. Structs of one struct twice, again and again, would hold more
# than any memory.
_MAX_LEAVES = 10_000
# Several times what the largest graph of ours has, with its debug information.
_MAX_GRAPH_FIELDS = 2_000_000
_MAX_MESSAGES = 64


@dataclasses.dataclass(frozen=True, eq=False)
class TensorValue:
    """An array that a caller sent."""

    array: np.ndarray

    @property
    def num_bytes(self) -> int:
        """What it holds in memory."""
        return self.array.nbytes


@dataclasses.dataclass(frozen=True, eq=False)
class StructValue:
    """Values put together.

    Attributes:
      elements: in order.
      num_bytes: what they hold in memory, each as often as it is there.
      num_leaves: values that are no structs, each as often as it is there.
      depth: structs below one another, this one included.
    """

    elements: "tuple[ExecutorValue, ...]"
    num_bytes: int
    num_leaves: int
    depth: int


@dataclasses.dataclass(frozen=True, eq=False)
class DataValue:
    """The store's own examples, named.

    Attributes:
      name: what is named.
      type: that the caller says they are of; None where none is said.
    """

    name: DataName
    type: computation_pb2.Type | None
    num_bytes: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class WorkValue:
    """An approved computation.

    Attributes:
      works: the roles whose graph it is; which one is meant shows by the data it is called with.
    """

    works: tuple[ApprovedWork, ...]
    num_bytes: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class CallValue:
    """An approved computation called with the store's examples; nothing is computed yet.

    Attributes:
      work: what is called.
      data: the examples.
      broadcast: the other leaves of its argument, in order.
    """

    work: ApprovedWork
    data: DataName
    broadcast: tuple[np.ndarray, ...]

    @property
    def num_bytes(self) -> int:
        """What it holds in memory."""
        return sum(array.nbytes for array in self.broadcast)


@dataclasses.dataclass(frozen=True, eq=False)
class ResultPart:
    """A part of what a call gives.

    Attributes:
      call: whose result it is selected from.
      path: positions, from the outermost struct on.
    """

    call: CallValue
    path: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """What it holds in memory."""
        return self.call.num_bytes


Approved = Mapping[str, tuple[ApprovedWork, ...]]
ExecutorValue = TensorValue | StructValue | DataValue | WorkValue | CallValue | ResultPart


def make_struct(elements: tuple[ExecutorValue, ...]) -> StructValue:
    """Values put together.

    Raises:
      ExecutorError: they nest too deep, or are too many.
    """
    structs = [element for element in elements if isinstance(element, StructValue)]
    depth = 1 + max((struct.depth for struct in structs), default=0)
    if depth > MAX_DEPTH:
        raise malformed(f"a struct must be nested {MAX_DEPTH} deep at most")
    # An empty struct counts: of thousands in thousands none would be a leaf, and all are visited.
    num_leaves = len(elements) - len(structs) + sum(max(1, each.num_leaves) for each in structs)
    _check_number(num_leaves)
    return StructValue(elements, sum(each.num_bytes for each in elements), num_leaves, depth)


def own_copy(value: ExecutorValue) -> ExecutorValue:
    """A part of a struct without the memory of the whole, which it would keep from being freed."""
    if isinstance(value, TensorValue):
        return TensorValue(value.array.copy())
    if isinstance(value, StructValue):
        return make_struct(tuple(own_copy(element) for element in value.elements))
    return value


def leaves_of_value(value: ExecutorValue) -> Iterator[ExecutorValue]:
    """The values below a value's structs, in TFF's depth-first order."""
    if isinstance(value, StructValue):
        for element in value.elements:
            yield from leaves_of_value(element)
    else:
        yield value


def read_value(
    proto: executor_pb2.Value,
    approved: Approved,
    lifted: Iterator[memoryview],
    depth: int = 0,
) -> ExecutorValue:
    """The value that a caller creates.

    Args:
      proto: as it was sent.
      approved: what may be run, by digest; roles may have the same graph.
      lifted: contents of arrays that were taken out of it, in order.
      depth: structs around it.

    Raises:
      ExecutorError: it is malformed, or the store grants it to nobody.
    """
    kind = proto.WhichOneof("value")
    if kind == "array":
        try:
            return TensorValue(decode_array(proto.array, lifted))
        except MalformedValue as error:
            raise malformed(str(error)) from error
    if kind == "computation":
        return _read_computation(proto.computation, approved)
    if kind == "sequence":
        raise refused("own_data_only", "a store works on its own data and on no other")
    if depth == MAX_DEPTH:
        raise malformed(f"a value must be nested {MAX_DEPTH} deep at most")
    if kind == "struct":
        elements = proto.struct.element
        _check_number(len(elements))
        return make_struct(
            tuple(read_value(each.value, approved, lifted, depth + 1) for each in elements)
        )
    if kind == "federated" and len(proto.federated.value) == 1:
        # What a TFF data descriptor makes for one client.
        return read_value(proto.federated.value[0], approved, lifted, depth + 1)
    raise malformed(
        "a value must be an array, a struct, the name of data, an approved computation or one "
        f"client's federated value, found {kind}"
    )


def _check_number(num_leaves: int) -> None:
    if num_leaves > _MAX_LEAVES:
        raise too_much(f"a struct may hold {_MAX_LEAVES} values, found {num_leaves}")


def _read_computation(proto: computation_pb2.Computation, approved: Approved) -> ExecutorValue:
    kind = proto.WhichOneof("computation")
    if kind == "data":
        return _read_data(proto, approved)
    if kind != "tensorflow":
        raise refused("approved_work_only", f"a store runs no computation of the kind {kind}")
    return WorkValue(_approved_works(_digest(proto, approved), approved))


def _read_data(proto: computation_pb2.Computation, approved: Approved) -> ExecutorValue:
    try:
        digest = parse_work_uri(proto.data.uri)
        if digest is not None:
            return WorkValue(_approved_works(digest, approved))
        name = parse_data_uri(proto.data.uri)
    except MalformedUri as error:
        raise malformed(str(error)) from error
    return DataValue(name, proto.type if proto.type.WhichOneof("type") else None)


def _digest(proto: computation_pb2.Computation, approved: Approved) -> str:
    as_it_is = GraphPart(proto.SerializeToString(deterministic=True)).digest
    if as_it_is in approved:
        return as_it_is
    # A TFF user's own compilation differs in names and debug information alone. Nothing of it is
    # loaded or run: a graph that is approved is run as the manifest has it.
    try:
        _require_small(proto.tensorflow.graph_def.value)
        return GraphPart.from_computation(proto).digest
    except (TypeError, ValueError, KeyError, RecursionError, DecodeError, Unreadable) as error:
        raise malformed("a TensorFlow computation must hold a graph that can be read") from error


def _require_small(graph: bytes) -> None:
    """Refuses what parsing would make far more of; a TFF user's graphs have debug information."""
    scan_message(
        graph, graph_pb2.GraphDef.DESCRIPTOR, max_fields=_MAX_GRAPH_FIELDS, max_depth=_MAX_MESSAGES
    )


def _approved_works(digest: str, approved: Approved) -> tuple[ApprovedWork, ...]:
    if digest not in approved:
        raise refused("approved_work_only", f"the computation {digest[:16]} is not approved")
    return approved[digest]
