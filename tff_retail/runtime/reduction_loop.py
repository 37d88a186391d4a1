"""A `While` loop in the place of one `ReduceDataset`, with the same values in the same order."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2, node_def_pb2, tensor_shape_pb2

from tff_retail.runtime.step_call import make_step_call

_UNKNOWN_SHAPE = tf.TensorShape(None).as_proto()


class ReductionLoop:
    """The loop that stands for one reduction.

    Its variables are the state, the iterator, the next element (an optional) and what the
    reduction's function captured.

    Args:
      node: the reduction, which its caller takes out.
      function: what it calls; it is marked to stay a function.
      name: begins the names of the loop's own functions.
      is_function: whether `node` lies in a function, where outputs are named otherwise.
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
        make_step_call(call, self._step, self._node.attr["f"].func, inputs, self._state)
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
