"""Loops over a store's data set that TensorFlow runs fast, in TFF's computations.

TFF's learning algorithms reduce a data set where they are not told otherwise. Inside
`ReduceDataset` TensorFlow neither inlines nor fuses operations; the same function in a `While`
loop runs several times as fast.

A step of a loop is kept a function of its own. Inlined, the steps' operations form a cycle, and
whether oneDNN's rewriting meets a pooling before its gradient, which it must, depends on where it
happens to enter the cycle: a quarter of a small CNN's time.

What is computed, and in which order, stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import (
    attr_value_pb2,
    function_pb2,
    node_def_pb2,
    tensor_shape_pb2,
)

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.function_names import name_functions_by_content

_REDUCE = "ReduceDataset"
_LOOPS = ("While", "StatelessWhile")
_NEXT = ("IteratorGetNext", "IteratorGetNextAsOptional", "IteratorGetNextSync")
_UNKNOWN_SHAPE = tf.TensorShape(None).as_proto()


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


def _rewrite(graph: tf.compat.v1.GraphDef) -> bool:
    """Rewrites the reductions and loops of a graph and of its functions; whether any are there."""
    functions = {function.signature.name: function for function in graph.library.function}
    added: list[function_pb2.FunctionDef] = []
    _call_steps(graph.node, functions, added)
    _rewrite_nodes(graph.node, functions, added, is_function=False)
    for function in list(graph.library.function):
        _call_steps(function.node_def, functions, added)
        renamed = _rewrite_nodes(function.node_def, functions, added, is_function=True)
        _rename_outputs(function, renamed)
    graph.library.function.extend(added)
    return bool(added)


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
            _make_call(call, step, node.attr["body"].func, types, types)
            for number, result in enumerate(step.signature.output_arg):
                body.ret[result.name] = f"call:output:{number}"
            node.attr["body"].func.Clear()
            node.attr["body"].func.name = body.signature.name
            added.append(body)


def _make_call(
    call: node_def_pb2.NodeDef,
    step: function_pb2.FunctionDef,
    reference: attr_value_pb2.NameAttrList,
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> None:
    """Makes `call` a call of `step` that stays one."""
    call.op = "StatefulPartitionedCall"
    call.attr["f"].func.CopyFrom(reference)
    call.attr["Tin"].list.type.extend(inputs)
    call.attr["Tout"].list.type.extend(outputs)
    step.attr["_noinline"].b = True
    # What a reduction calls bears this mark, and TensorFlow does not rewrite what bears it.
    step.attr.pop("_tf_data_function", None)


def _rewrite_nodes(
    nodes: Any, functions: Mapping, added: list[function_pb2.FunctionDef], *, is_function: bool
) -> set[str]:
    """Replaces reductions among `nodes`; the names of those that were."""
    renamed = set()
    for node in [node for node in nodes if node.op == _REDUCE]:
        loop = _Loop(node, functions[node.attr["f"].func.name], f"loop_{len(added)}", is_function)
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


class _Loop:
    """The loop that stands for one reduction.

    Its variables are the state, the iterator, the next element (an optional) and what the
    reduction's function captured.
    """

    def __init__(
        self,
        node: node_def_pb2.NodeDef,
        function: function_pb2.FunctionDef,
        name: str,
        is_function: bool,
    ) -> None:
        self._node, self._step, self._name = node, function, name
        self._is_function = is_function
        self._state = list(node.attr["Tstate"].list.type)
        self._captured = list(node.attr["Targuments"].list.type)
        arguments = [
            (argument.type, _shape(function, position))
            for position, argument in enumerate(function.signature.input_arg)
        ]
        self._element = arguments[len(self._state) : len(arguments) - len(self._captured)]
        self._types = [
            *self._state,
            tf.resource.as_datatype_enum,
            tf.variant.as_datatype_enum,
            *self._captured,
        ]

    def nodes(self) -> list[node_def_pb2.NodeDef]:
        """What takes the reduction's place; the last of them has its name and its outputs."""
        node = self._node
        inputs = [tensor for tensor in node.input if not tensor.startswith("^")]
        controls = [tensor for tensor in node.input if tensor.startswith("^")]
        dataset, rest = inputs[0], inputs[1:]
        state, captured = rest[: len(self._state)], rest[len(self._state) :]
        iterator = self._make("iterator", "AnonymousIteratorV3", controls, self._element_attr())
        handle = self._output(iterator.name, "handle")
        filled = self._make("filled", "MakeIterator", [dataset, handle])
        first = self._make(
            "first",
            "IteratorGetNextAsOptional",
            [handle, f"^{filled.name}"],
            self._element_attr(),
        )
        optional = self._output(first.name, "optional")
        loop = self._make("loop", "While", [*state, handle, optional, *captured, *controls])
        loop.attr["T"].list.type.extend(self._types)
        loop.attr["cond"].func.name = f"{self._name}_condition"
        loop.attr["body"].func.name = f"{self._name}_body"
        loop.attr["output_shapes"].list.shape.extend([_UNKNOWN_SHAPE] * len(self._types))
        loop.attr["parallel_iterations"].i = 1
        loop.attr["_lower_using_switch_merge"].b = True
        return [iterator, filled, first, loop, *self._results(loop.name)]

    def _results(self, loop: str) -> list[node_def_pb2.NodeDef]:
        """The loop's state in the reduction's shapes, which a loop by itself does not know."""
        results = []
        shapes = self._node.attr["output_shapes"].list.shape
        for number, (dtype, shape) in enumerate(zip(self._state, shapes, strict=True)):
            output = f"{loop}:output:{number}" if self._is_function else f"{loop}:{number}"
            result = self._make(f"result_{number}", "EnsureShape", [output])
            result.attr["T"].type = dtype
            result.attr["shape"].shape.CopyFrom(shape)
            results.append(result)
        together = node_def_pb2.NodeDef(
            name=self._node.name,
            op="IdentityN",
            input=[self._output(result.name, "output") for result in results],
            device=self._node.device,
        )
        together.attr["T"].list.type.extend(self._state)
        return [*results, together]

    def functions(self) -> list[function_pb2.FunctionDef]:
        """The loop's condition and body."""
        condition = self._function("condition", [tf.bool.as_datatype_enum])
        has_value = condition.node_def.add(
            name="has_value", op="OptionalHasValue", input=[self._variable(len(self._state) + 1)]
        )
        condition.ret["out_0"] = f"{has_value.name}:has_value:0"

        body = self._function("body", self._types)
        handle, optional = (self._variable(len(self._state) + offset) for offset in (0, 1))
        element = body.node_def.add(name="element", op="OptionalGetValue", input=[optional])
        _set_types(element, self._element)
        captured = [
            self._variable(len(self._state) + 2 + number) for number in range(len(self._captured))
        ]
        call = body.node_def.add(
            name="call",
            input=[
                *(self._variable(number) for number in range(len(self._state))),
                *(f"element:components:{number}" for number in range(len(self._element))),
                *captured,
            ],
        )
        inputs = [*self._state, *(dtype for dtype, _ in self._element), *self._captured]
        _make_call(call, self._step, self._node.attr["f"].func, inputs, self._state)
        # One element after the other, as in a reduction.
        following = body.node_def.add(
            name="following", op="IteratorGetNextAsOptional", input=[handle, "^call"]
        )
        _set_types(following, self._element)
        results = [
            *(f"call:output:{number}" for number in range(len(self._state))),
            handle,
            "following:optional:0",
            *captured,
        ]
        for number, result in enumerate(results):
            body.ret[f"out_{number}"] = result
        return [condition, body]

    def _function(self, kind: str, results: Sequence[int]) -> function_pb2.FunctionDef:
        function = function_pb2.FunctionDef()
        function.signature.name = f"{self._name}_{kind}"
        function.signature.is_stateful = True
        for number, dtype in enumerate(self._types):
            function.signature.input_arg.add(name=f"v_{number}", type=dtype)
        for number, dtype in enumerate(results):
            function.signature.output_arg.add(name=f"out_{number}", type=dtype)
        return function

    def _make(
        self, kind: str, op: str, inputs: Sequence[str], attr: Mapping | None = None
    ) -> node_def_pb2.NodeDef:
        return node_def_pb2.NodeDef(
            name=f"{self._node.name}_{kind}",
            op=op,
            input=inputs,
            attr=attr,
            device=self._node.device,
        )

    def _output(self, name: str, output: str) -> str:
        return f"{name}:{output}:0" if self._is_function else name

    def _variable(self, number: int) -> str:
        return f"v_{number}"

    def _element_attr(self) -> Mapping:
        node = node_def_pb2.NodeDef()
        _set_types(node, self._element)
        return dict(node.attr)


def _set_types(node: node_def_pb2.NodeDef, components: Sequence[tuple[int, Any]]) -> None:
    node.attr["output_types"].list.type.extend(dtype for dtype, _ in components)
    node.attr["output_shapes"].list.shape.extend(shape for _, shape in components)


def _shape(function: function_pb2.FunctionDef, position: int) -> tensor_shape_pb2.TensorShapeProto:
    """What is known of the shape of a function's argument."""
    shapes = function.arg_attr[position].attr["_output_shapes"].list.shape
    return shapes[0] if shapes else _UNKNOWN_SHAPE
