"""Checks a computation before TensorFlow loads it: what is in it, and how large it is.

TensorFlow does a graph's bidding already while it loads one: it makes as many outputs as an
attribute says, computes shapes from constants, and resolves names. So the bytes are walked through
first, then parsed, then every node of the graph and of every function is held against lists of what
may be there. A hostile graph gets findings, in bounded time and memory, and never an exception.

What is not checked, since it depends on values: how large a tensor gets while the graph runs
(`Fill` of two large numbers) and whether a loop ends. The executor's memory limit and
`GraphBounds.max_seconds` are for that. What comes out is the egress contract's to judge.
"""

from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.privacy.attribute_check import AttributeCheck
from tff_retail.privacy.binding_check import BindingCheck
from tff_retail.privacy.finding import Finding
from tff_retail.privacy.findings import Findings
from tff_retail.privacy.function_check import FunctionCheck
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.message_scan import Unreadable, scan_message
from tff_retail.privacy.node_check import NodeCheck

# Protobuf's own parser stops at 100; a graph of ours needs 12, a computation's type some 30.
_MAX_MESSAGE_DEPTH = 64
# TensorFlow counts days; 2.14 is 1575. What is much older is read by rules that were since dropped.
_OLDEST_PRODUCER = 1000


def check_graph(
    computation: bytes,
    *,
    bounds: GraphBounds,
    takes_data: bool = True,
    has_fixed_result: bool = True,
) -> list[Finding]:
    """What is wrong with a serialised TFF computation; nothing, if it may be loaded.

    Args:
      computation: TFF's `Computation` proto with a TensorFlow graph inside.
      bounds: on its size.
      takes_data: whether it must take one data set, or none.
      has_fixed_result: whether all sizes of the result must be fixed; a store's features, which
        stay there, are as many as its photographs.
    """
    findings = Findings()
    try:
        parsed, graph = _parse(computation, bounds)
    except Unreadable as unreadable:
        findings.add(unreadable.rule, "the computation", str(unreadable))
        return findings.to_list()
    _check_whole(graph, bounds, findings)
    if not findings:
        _check_parts(parsed, graph, bounds, findings, takes_data, has_fixed_result)
    return findings.to_list()


def _parse(
    computation: bytes, bounds: GraphBounds
) -> tuple[computation_pb2.Computation, graph_pb2.GraphDef]:
    """The computation and its graph; each is walked through before it is parsed."""
    if len(computation) > bounds.max_graph_bytes:
        raise Unreadable(
            "graph_too_large",
            f"a graph may have {bounds.max_graph_bytes} bytes, found {len(computation)}",
        )
    parsed = _parsed(computation, computation_pb2.Computation, bounds)
    any_graph = parsed.tensorflow.graph_def
    is_graph = any_graph.type_url.endswith("/" + graph_pb2.GraphDef.DESCRIPTOR.full_name)
    if parsed.WhichOneof("computation") != "tensorflow" or not is_graph:
        raise Unreadable(
            "no_tensorflow_graph",
            f"a computation must hold a TensorFlow graph, found {parsed.WhichOneof('computation')}",
        )
    return parsed, _parsed(any_graph.value, graph_pb2.GraphDef, bounds)


def _parsed(data: bytes, message_type: Any, bounds: GraphBounds) -> Any:
    scan_message(
        data,
        message_type.DESCRIPTOR,
        max_fields=bounds.max_graph_fields,
        max_depth=_MAX_MESSAGE_DEPTH,
    )
    try:
        return message_type.FromString(data)
    except (DecodeError, RecursionError) as error:
        raise Unreadable("malformed_graph", "a graph must be one that can be read") from error


def _check_whole(graph: graph_pb2.GraphDef, bounds: GraphBounds, findings: Findings) -> None:
    where = "the graph"
    versions, newest = graph.versions, tf.version.GRAPH_DEF_VERSION
    if not _OLDEST_PRODUCER <= versions.producer <= newest or versions.min_consumer > newest:
        findings.add(
            "graph_version",
            where,
            f"a graph must be made by a TensorFlow of a version from {_OLDEST_PRODUCER} to "
            f"{newest}, found {versions.producer}; install the same release on both sides",
        )
    if graph.version or versions.bad_consumers:
        findings.add("graph_version", where, "a graph must not speak of versions in other ways")
    if graph.HasField("debug_info"):
        findings.add("debug_information", where, "a graph must come without debug information")
    functions = graph.library.function
    num_nodes = len(graph.node) + sum(len(function.node_def) for function in functions)
    if num_nodes > bounds.max_nodes:
        findings.add(
            "too_many_nodes", where, f"a graph may have {bounds.max_nodes} nodes, found {num_nodes}"
        )
    if len(functions) > bounds.max_functions:
        findings.add(
            "too_many_functions",
            where,
            f"a graph may have {bounds.max_functions} functions, found {len(functions)}",
        )


def _check_parts(
    computation: computation_pb2.Computation,
    graph: graph_pb2.GraphDef,
    bounds: GraphBounds,
    findings: Findings,
    takes_data: bool,
    has_fixed_result: bool,
) -> None:
    names = [function.signature.name for function in graph.library.function]
    attributes = AttributeCheck(bounds, findings, names)
    nodes = NodeCheck(
        graph.node,
        "the graph",
        arguments=None,
        bounds=bounds,
        findings=findings,
        attributes=attributes,
    )
    nodes.check()
    functions = FunctionCheck(
        graph.library, bounds=bounds, findings=findings, attributes=attributes
    )
    functions.check(nodes)
    if not findings:
        binding = BindingCheck(nodes, bounds=bounds, findings=findings)
        binding.check(computation, takes_data=takes_data, has_fixed_result=has_fixed_result)
