"""Which device each operation of a graph runs on: computing on one, the data set on the CPU."""

import collections
from collections.abc import Iterator

import tensorflow as tf

_CPU = "/CPU:0"
# What walks through a data set. Iterators have kernels for GPUs too, but those are for data sets
# that lie on one, and a store's never does.
_DATA_SET_WORDS = ("Dataset", "Iterator", "Optional")
# What hands a data set's iterator or next element round in loops and branches. A tensor that is on
# its way to the computing device is neither a resource nor a variant.
_PASSING_ON = {"Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_INLINE = "_lower_as_multi_device_function"
_HANDLES = (tf.resource.as_datatype_enum, tf.variant.as_datatype_enum)


def place_graph(graph: tf.compat.v1.GraphDef, device: str) -> None:
    """Says in every node of `graph` where it runs, in place.

    Args:
      graph: what is placed; a function that it calls becomes part of it when it is run.
      device: where everything runs but what reads the data set, such as `/GPU:1`; '' leaves the
        graph as it is, for TensorFlow to decide.
    """
    if not device:
        return
    on_cpu = set(_data_set_nodes(graph))
    for node in graph.node:
        node.device = _CPU if node.name in on_cpu else device
        _inline_call(node)
    for function in graph.library.function:
        for node in function.node_def:
            # The others run where their caller does.
            node.device = _CPU if _reads_data_set(node) else ""
            _inline_call(node)


def _inline_call(node: tf.compat.v1.NodeDef) -> None:
    """Has TensorFlow put a function's body in its call's place before it places operations.

    Called as a whole the function would be handed the data set on the computing device. One that
    bears `_noinline`, such as a step of `data_loops`, stays a call; its body is placed too.
    """
    if node.op in _CALLS:
        node.attr[_INLINE].b = True


def _reads_data_set(node: tf.compat.v1.NodeDef) -> bool:
    return any(word in node.op for word in _DATA_SET_WORDS)


def _data_set_nodes(graph: tf.compat.v1.GraphDef) -> Iterator[str]:
    """The names of the nodes that hold a data set, an iterator or one of its optional elements."""
    consumers = collections.defaultdict(list)
    for node in graph.node:
        for tensor in node.input:
            consumers[tensor.partition(":")[0]].append(node)
    pending = [node for node in graph.node if _reads_data_set(node)]
    found = {node.name for node in pending}
    while pending:
        node = pending.pop()
        yield node.name
        for consumer in consumers[node.name]:
            if consumer.name not in found and _passes_handle_on(consumer):
                found.add(consumer.name)
                pending.append(consumer)


def _passes_handle_on(node: tf.compat.v1.NodeDef) -> bool:
    return node.op in _PASSING_ON and node.attr["T"].type in _HANDLES
