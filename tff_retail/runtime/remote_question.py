"""What the stores of a round are asked, serialised once for all of them."""

import dataclasses
import weakref
from collections.abc import Iterator, Sequence

import numpy as np

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2, executor_pb2

from tff_retail.runtime.data_uri import DataName, work_uri
from tff_retail.runtime.graph_part import GraphPart, Leaf
from tff_retail.runtime.store import WorkRequest
from tff_retail.runtime.value_encoding import Buffer, encode_value_field
from tff_retail.runtime.value_tree import Struct, ValueTree

_BROADCAST = 1  # of the parameter `<data, broadcast>` of a round form's `work`


@dataclasses.dataclass(frozen=True)
class Question:
    """A piece of work as bytes; each field but the last is the value of a `CreateValueRequest`.

    Attributes:
      work: names the approved computation.
      data: names the store's examples, the run, the round and the seed.
      broadcast: the weights, as buffers that refer to the arrays themselves.
      result: the leaves that `work` gives.
    """

    work: bytes
    data: bytes
    broadcast: Sequence[Buffer]
    result: Sequence[Leaf]


class Questions:
    """Turns what a role is asked into bytes, once for all stores of a round.

    Args:
      work: the role's graph, which the stores have from the manifest.
      split: the examples that it runs on, such as `train`.
      run: the run's name, by which stores know a question that they have answered before.
    """

    def __init__(self, work: GraphPart, *, split: str, run: str) -> None:
        self._type = computation_pb2.Computation.FromString(work.computation).type
        self._work = _computation(work_uri(work.digest), self._type)
        self._data_type = self._type.function.parameter.struct.element[0].value
        self._result = work.result
        self._split, self._run = split, run
        # Weak: a broadcast of which nothing more is asked must not wait for the next one.
        self._last: tuple[weakref.ref[WorkRequest], weakref.ref[Question]] | None = None

    def question(self, request: WorkRequest) -> Question:
        """The question that `request` asks, made once for as long as anybody asks it."""
        if self._last is not None and self._last[0]() is request:
            known = self._last[1]()
            if known is not None:
                return known
        question = self._ask(request)
        self._last = weakref.ref(request), weakref.ref(question)
        return question

    def _ask(self, request: WorkRequest) -> Question:
        name = DataName(self._split, self._run, request.round_num, request.seed)
        broadcast = self._type.function.parameter.struct.element[_BROADCAST].value
        return Question(
            self._work,
            _computation(name.uri(), self._data_type),
            encode_value_field(_tree(broadcast, iter(request.broadcast))),
            self._result,
        )


def _computation(uri: str, value_type: computation_pb2.Type) -> bytes:
    data = computation_pb2.Computation(type=value_type, data=computation_pb2.Data(uri=uri))
    value = executor_pb2.Value(computation=data)
    return executor_pb2.CreateValueRequest(value=value).SerializeToString()


def _tree(value_type: computation_pb2.Type, leaves: Iterator[np.ndarray]) -> ValueTree:
    if value_type.WhichOneof("type") != "struct":
        return np.asarray(next(leaves))
    elements = value_type.struct.element
    return Struct(tuple((element.name, _tree(element.value, leaves)) for element in elements))
