"""A small honest computation, and what an attacker makes of it."""

import collections
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow.core.framework import graph_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.round_form import compile_part

Change = Callable[[computation_pb2.Computation, graph_pb2.GraphDef], Any]

_ELEMENT = (
    collections.OrderedDict(image=tf.TensorSpec((None, 32, 32, 3), tf.uint8)),
    tf.TensorSpec((None,), tf.int32),
)


@functools.cache
def small_computation() -> bytes:
    """`(data set, float32 [4]) -> (update=float32 [4], num_examples=int64)`, with functions.

    The function `step` counts the examples of a batch, and a loop doubles the weights.
    """

    @tff.tensorflow.computation(
        tff.SequenceType(tff.types.tensorflow_to_type(_ELEMENT)), (np.float32, [4])
    )
    def count(data: tf.data.Dataset, weights: tf.Tensor) -> Any:
        found = data.reduce(np.int64(0), lambda n, batch: n + tf.size(batch[1], tf.int64))
        (_, doubled) = tf.while_loop(
            lambda i, w: i < 3, lambda i, w: (i + 1, 2.0 * w), (tf.constant(0), weights)
        )
        return {"update": doubled, "num_examples": found}

    return compile_part(count).computation


def changed(change: Change, computation: bytes | None = None) -> bytes:
    """The small computation, or another one, with its graph changed in place."""
    proto = computation_pb2.Computation.FromString(computation or small_computation())
    graph = graph_pb2.GraphDef.FromString(proto.tensorflow.graph_def.value)
    change(proto, graph)
    if proto.WhichOneof("computation") == "tensorflow":
        proto.tensorflow.graph_def.value = graph.SerializeToString(deterministic=True)
    return proto.SerializeToString(deterministic=True)


def node(graph: Any, operation: str) -> Any:
    """The first node of an operation in a graph, or in a function's `node_def`."""
    return next(each for each in getattr(graph, "node", graph) if each.op == operation)


def function_with(graph: graph_pb2.GraphDef, operation: str) -> Any:
    """The first function of a graph that holds an operation."""
    return next(
        function
        for function in graph.library.function
        if any(each.op == operation for each in function.node_def)
    )
