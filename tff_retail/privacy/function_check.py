"""Whether the functions of a graph are allowed, each of them, called or not."""

from collections.abc import Iterable, Sequence
from typing import Any

from tensorflow.core.framework import function_pb2, types_pb2

from tff_retail.privacy.allowed_attributes import ALLOWED_OF_ARGUMENT, ALLOWED_OF_FUNCTION
from tff_retail.privacy.attribute_check import AttributeCheck
from tff_retail.privacy.findings import Findings, shown
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.node_check import NAME, NodeCheck, definition_of
from tff_retail.privacy.tensor_check import is_number

_HANDLES = (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT)
_GRAPH = ""


class FunctionCheck:
    """The function library of a graph.

    Args:
      library: of the graph.
      bounds, findings, attributes: likewise.
    """

    def __init__(
        self,
        library: function_pb2.FunctionDefLibrary,
        *,
        bounds: GraphBounds,
        findings: Findings,
        attributes: AttributeCheck,
    ) -> None:
        self._library = library
        self._bounds, self._findings, self._attributes = bounds, findings, attributes
        self._calls: dict[str, list[str]] = {}
        self._num_nodes: dict[str, int] = {}

    def check(self, graph: NodeCheck) -> None:
        """Checks the library, and how the functions call one another from the graph on."""
        if self._library.gradient or self._library.registered_gradients:
            self._findings.add(
                "gradient_not_allowed",
                "library",
                "a graph must have its gradients computed, found names of gradient functions",
            )
        for function in self._library.function:
            self._check_function(function)
            if self._findings.is_full:
                return
        if not self._findings:
            self._calls[_GRAPH] = list(graph.functions_called())
            self._num_nodes[_GRAPH] = len(graph.by_name)
            self._check_calls()

    def _check_function(self, function: function_pb2.FunctionDef) -> None:
        signature = function.signature
        where = f"function {shown(signature.name)}"
        if not NAME.fullmatch(signature.name) or definition_of(signature.name) is not None:
            self._findings.add(
                "name_not_allowed",
                where,
                "a function must have a name that no operation has, found "
                f"{shown(signature.name)!r}",
            )
        if signature.name in self._calls:
            self._findings.add("name_taken", where, "a function must have a name of its own")
        self._check_signature(function, where)
        for name, value in function.attr.items():
            self._attributes.check_listed(name, value, ALLOWED_OF_FUNCTION, where)
        for argument in function.arg_attr.values():
            for name, value in argument.attr.items():
                self._attributes.check_listed(name, value, ALLOWED_OF_ARGUMENT, where)
        nodes = NodeCheck(
            function.node_def,
            where,
            arguments={argument.name: argument.type for argument in signature.input_arg},
            bounds=self._bounds,
            findings=self._findings,
            attributes=self._attributes,
        )
        nodes.check()
        if not self._findings:
            self._check_results(function, nodes, where)
        self._calls[signature.name] = list(nodes.functions_called())
        self._num_nodes[signature.name] = len(function.node_def)

    def _check_signature(self, function: function_pb2.FunctionDef, where: str) -> None:
        signature = function.signature
        arguments: Sequence[Any] = [*signature.input_arg, *signature.output_arg]
        if len(arguments) > 2 * self._bounds.max_arguments:
            self._findings.add(
                "too_many_arguments",
                where,
                f"a function may have {self._bounds.max_arguments} arguments, found more",
            )
            return
        if (
            signature.attr
            or signature.is_distributed_communication
            or function.resource_arg_unique_id
        ):
            self._refuse(where, "a function must be for one type each and for one machine")
        if len({argument.name for argument in signature.input_arg}) < len(signature.input_arg):
            self._findings.add("name_taken", where, "no two arguments may have one name")
        for argument in arguments:
            fields = {field.name for field, _ in argument.ListFields()}
            is_type = is_number(argument.type) or argument.type in _HANDLES
            if not NAME.fullmatch(argument.name) or not fields <= {"name", "type"} or not is_type:
                self._refuse(
                    where,
                    f"an argument must have a name and a type of numbers or of a handle, found "
                    f"{shown(argument.name)!r} of type {argument.type}",
                )
                return

    def _check_results(
        self, function: function_pb2.FunctionDef, nodes: NodeCheck, where: str
    ) -> None:
        given = {argument.name: argument.type for argument in function.signature.output_arg}
        if given.keys() != function.ret.keys():
            self._refuse(where, "a function must give each of its results once")
            return
        for name, tensor in function.ret.items():
            if nodes.type_of(tensor) != given[name]:
                self._findings.add(
                    "input_not_found",
                    where,
                    f"the result {shown(name)} must be a tensor of its type, found "
                    f"{shown(tensor)!r}",
                )
        controls = {*function.control_ret.values()}
        if function.control_ret.keys() != {*function.signature.control_output} or not (
            controls <= nodes.by_name.keys()
        ):
            self._refuse(where, "what a function waits for must be nodes of its own")

    def _check_calls(self) -> None:
        """Follows calls from the innermost function outwards, without recursion of its own."""
        depths: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for name in self._innermost_first():
            called = self._calls[name]
            depths[name] = 1 + max((depths[each] for each in called), default=0)
            sizes[name] = self._num_nodes[name] + sum(sizes[each] for each in called)
            if depths[name] > self._bounds.max_function_depth + (name == _GRAPH):
                self._findings.add(
                    "functions_too_deep",
                    f"function {name}" if name else "the graph",
                    f"functions may call one another {self._bounds.max_function_depth} deep",
                )
                return
            if sizes[name] > self._bounds.max_running_nodes:
                self._findings.add(
                    "too_many_running_nodes",
                    f"function {name}" if name else "the graph",
                    f"a graph may have {self._bounds.max_running_nodes} nodes with each function "
                    "counted as often as it is called, found more",
                )
                return

    def _innermost_first(self) -> Iterable[str]:
        order: list[str] = []
        state: dict[str, bool] = {}  # whether it is done
        for root in self._calls:
            waiting = [root]
            while waiting:
                name = waiting[-1]
                if name in state:
                    waiting.pop()
                    if not state[name]:
                        state[name] = True
                        order.append(name)
                    continue
                state[name] = False
                for called in self._calls[name]:
                    if state.get(called) is False:
                        self._findings.add(
                            "function_calls_itself",
                            f"function {called}",
                            "no function may call itself, by way of others neither",
                        )
                        return []
                    if called not in state:
                        waiting.append(called)
        return order

    def _refuse(self, where: str, sentence: str) -> None:
        self._findings.add("function_malformed", where, sentence)
