"""Loops over a store's data set that TensorFlow runs fast, in TFF's computations.

TFF's learning algorithms reduce a data set where they are not told otherwise. Inside
`ReduceDataset` TensorFlow neither inlines nor fuses operations; the same function in a `While`
loop runs several times as fast.

A step of a loop is kept a function of its own. Inlined, the steps' operations form a cycle, and
whether oneDNN's rewriting meets a pooling before its gradient, which it must, depends on where it
happens to enter the cycle: a quarter of a small CNN's time.

What is computed, and in which order, stays.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.function_names import name_functions_by_content
from tff_retail.runtime.reduction_loop import ReductionLoop
from tff_retail.runtime.step_call import make_step_call

_REDUCE = "ReduceDataset"
_LOOPS = ("While", "StatelessWhile")
_NEXT = ("IteratorGetNext", "IteratorGetNextAsOptional", "IteratorGetNextSync")


def with_loops(computation: computation_pb2.Computation) -> computation_pb2.Computation:
    """A copy whose graphs loop where they reduced a data set, and call each step of a loop.

    Its functions are named for what they hold: TFF's rewriting takes them in the order of their
    names, and which of several equal operations it keeps would depend on the process's counter.
    """
    result = computation_pb2.Computation()
    result.CopyFrom(computation)
    for tensorflow in _graphs(result):
        graph = tf.compat.v1.GraphDef.FromString(tensorflow.graph_def.value)
        _rewrite(graph)
        if graph.library.function:
            name_functions_by_content(graph)
            tensorflow.graph_def.value = graph.SerializeToString(deterministic=True)
            tensorflow.ClearField("cache_key")  # it names the graph that was
    return result


def _graphs(computation: computation_pb2.Computation) -> Iterator[computation_pb2.TensorFlow]:
    """Every TensorFlow graph inside a computation."""
    kind = computation.WhichOneof("computation")
    if kind == "tensorflow":
        yield computation.tensorflow
    elif kind == "call":
        yield from _graphs(computation.call.function)
        yield from _graphs(computation.call.argument)
    elif kind == "lambda":
        yield from _graphs(getattr(computation, "lambda").result)
    elif kind == "struct":
        for element in computation.struct.element:
            yield from _graphs(element.value)
    elif kind == "selection":
        yield from _graphs(computation.selection.source)
    elif kind == "block":
        for local in computation.block.local:
            yield from _graphs(local.value)
        yield from _graphs(computation.block.result)


def _rewrite(graph: tf.compat.v1.GraphDef) -> None:
    """Rewrites the reductions and loops of a graph and of its functions."""
    functions = {function.signature.name: function for function in graph.library.function}
    added: list[function_pb2.FunctionDef] = []
    _call_steps(graph.node, functions, added)
    _rewrite_nodes(graph.node, functions, added, is_function=False)
    for function in list(graph.library.function):
        _call_steps(function.node_def, functions, added)
        renamed = _rewrite_nodes(function.node_def, functions, added, is_function=True)
        _rename_outputs(function, renamed)
    graph.library.function.extend(added)


def _call_steps(nodes: Any, functions: Mapping, added: list[function_pb2.FunctionDef]) -> None:
    """Puts a call around the body of every loop over an iterator."""
    for node in nodes:
        if node.op not in _LOOPS:
            continue
        step = functions[node.attr["body"].func.name]
        if any(inner.op in _NEXT for inner in step.node_def):
            body = function_pb2.FunctionDef(signature=step.signature)
            body.signature.name = f"loop_{len(added)}_body"
            arguments = [argument.name for argument in step.signature.input_arg]
            call = body.node_def.add(name="call", input=arguments)
            types = [argument.type for argument in step.signature.input_arg]
            make_step_call(call, step, node.attr["body"].func, types, types)
            for number, result in enumerate(step.signature.output_arg):
                body.ret[result.name] = f"call:output:{number}"
            node.attr["body"].func.Clear()
            node.attr["body"].func.name = body.signature.name
            added.append(body)


def _rewrite_nodes(
    nodes: Any, functions: Mapping, added: list[function_pb2.FunctionDef], *, is_function: bool
) -> set[str]:
    """Replaces reductions among `nodes`; the names of those that were."""
    renamed = set()
    for node in [node for node in nodes if node.op == _REDUCE]:
        loop = ReductionLoop(
            node, functions[node.attr["f"].func.name], f"loop_{len(added)}", is_function
        )
        renamed.add(node.name)
        added += loop.functions()
        replacement = loop.nodes()
        nodes.remove(node)
        nodes.extend(replacement)
    return renamed


def _rename_outputs(function: function_pb2.FunctionDef, renamed: set[str]) -> None:
    """Functions name outputs: those of a reduction are `components`, those of a loop `output`."""

    def rename(tensor: str) -> str:
        name, _, output = tensor.partition(":")
        if name in renamed and output.startswith("components"):
            return f"{name}:output{output.removeprefix('components')}"
        return tensor

    for node in function.node_def:
        node.input[:] = [rename(tensor) for tensor in node.input]
    for key, tensor in list(function.ret.items()):
        function.ret[key] = rename(tensor)
