"""One part of a round form: a plain TensorFlow graph with named inputs and outputs.

A part is TFF's own `Computation` proto that holds a TensorFlow graph. Structures are handled
here as flat lists of *leaves*, in TFF's depth-first order; a leaf's path is the names on the
way to it, such as `global_model_weights/trainable/0`.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator

import tensorflow as tf

# The protocol buffers of TFF have no public path; a graph part is one of them.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.function_names import name_functions_by_content

_VARIANT = "variant"


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A tensor of a part's parameter or result.

    Attributes:
      path: names from the root, joined by `/`; positions stand for missing names.
      tensor: its name in the graph, a variant for a sequence.
      dtype: such as `float32`; `variant` for a sequence.
      shape: None stands for a size that the graph leaves open, `()` for a sequence.
      element: which of the outermost struct's elements it belongs to; 0 where there is none.
    """

    path: str
    tensor: str
    dtype: str
    shape: tuple[int | None, ...]
    element: int

    @property
    def is_sequence(self) -> bool:
        """Whether it is a data set."""
        return self.dtype == _VARIANT


@dataclasses.dataclass(frozen=True)
class GraphPart:
    """A TensorFlow graph of a round form, canonical: equal parts have equal bytes."""

    computation: bytes

    @classmethod
    def from_computation(cls, computation: computation_pb2.Computation) -> "GraphPart":
        """Makes a part canonical: what two compiles of one computation differ in is taken out.

        That is debug information, the cache key, the order of map entries, and the numbers that
        TensorFlow gives functions.

        Raises:
          TypeError: the computation is not a TensorFlow graph.
        """
        kind = computation.WhichOneof("computation")
        if kind != "tensorflow":
            raise TypeError(f"A round form's parts must be TensorFlow graphs, found {kind}.")
        clean = computation_pb2.Computation()
        clean.CopyFrom(computation)
        clean.tensorflow.ClearField("cache_key")
        graph = _graph_def(clean)
        _clear_debug_information(graph)
        name_functions_by_content(graph)
        clean.tensorflow.graph_def.value = graph.SerializeToString(deterministic=True)
        return cls(clean.SerializeToString(deterministic=True))

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes, in hex."""
        return hashlib.sha256(self.computation).hexdigest()

    def graph_def(self) -> tf.compat.v1.GraphDef:
        """The graph itself, parsed anew."""
        return _graph_def(self._proto)

    @property
    def initialize_op(self) -> str:
        """The operation that sets variables to their first values, or ''."""
        return self._proto.tensorflow.initialize_op

    @functools.cached_property
    def parameter(self) -> tuple[Leaf, ...]:
        """What the graph takes."""
        proto = self._proto
        if not proto.type.function.HasField("parameter"):
            return ()
        return tuple(_leaves(proto.type.function.parameter, proto.tensorflow.parameter))

    @functools.cached_property
    def result(self) -> tuple[Leaf, ...]:
        """What the graph gives."""
        proto = self._proto
        return tuple(_leaves(proto.type.function.result, proto.tensorflow.result))

    @property
    def _proto(self) -> computation_pb2.Computation:
        return computation_pb2.Computation.FromString(self.computation)


def _graph_def(computation: computation_pb2.Computation) -> tf.compat.v1.GraphDef:
    return tf.compat.v1.GraphDef.FromString(computation.tensorflow.graph_def.value)


def _clear_debug_information(graph: tf.compat.v1.GraphDef) -> None:
    """Removes where in the source a node was made."""
    graph.ClearField("debug_info")
    for node in graph.node:
        node.ClearField("experimental_debug_info")
    for function in graph.library.function:
        for node in function.node_def:
            node.ClearField("experimental_debug_info")


def _leaves(
    type_proto: computation_pb2.Type,
    binding: computation_pb2.TensorFlow.Binding,
    path: tuple[str, ...] = (),
    outermost: int | None = None,
) -> Iterator[Leaf]:
    kind = binding.WhichOneof("binding")
    if kind == "tensor":
        dtype = tf.dtypes.as_dtype(type_proto.tensor.dtype).name
        shape = tuple(None if size < 0 else size for size in type_proto.tensor.dims)
        yield Leaf("/".join(path), binding.tensor.tensor_name, dtype, shape, outermost or 0)
    elif kind == "sequence":
        name = binding.sequence.variant_tensor_name
        yield Leaf("/".join(path), name, _VARIANT, (), outermost or 0)
    elif kind == "struct":
        pairs = zip(type_proto.struct.element, binding.struct.element, strict=True)
        for position, (element, inner) in enumerate(pairs):
            name = element.name or str(position)
            number = position if outermost is None else outermost
            yield from _leaves(element.value, inner, (*path, name), number)
