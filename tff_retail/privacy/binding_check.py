"""Whether a TFF computation's type fits the tensors of its graph that it is bound to."""

import math
from collections.abc import Iterator
from typing import Any

from tensorflow.core.framework import types_pb2

from tff_retail.privacy.findings import Findings, shown
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.node_check import NodeCheck
from tff_retail.privacy.tensor_check import is_number

_PLACEHOLDER = "Placeholder"


class BindingCheck:
    """What a computation takes and gives.

    Args:
      graph: whose tensors are named.
      bounds, findings: of it.
    """

    def __init__(self, graph: NodeCheck, *, bounds: GraphBounds, findings: Findings) -> None:
        self._graph, self._bounds, self._findings = graph, bounds, findings

    def check(self, computation: Any, *, takes_data: bool, has_fixed_result: bool) -> None:
        """Checks parameter, result, first operation and session token.

        Args:
          computation: TFF's proto.
          takes_data: whether it must take one data set, or none.
          has_fixed_result: whether all sizes of the result must be fixed.
        """
        tensorflow, function = computation.tensorflow, computation.type.function
        if computation.type.WhichOneof("type") != "function":
            self._findings.add("binding_malformed", "type", "a computation must be of a function")
            return
        if not self._has_few_leaves(tensorflow):
            return
        num_data_sets = 0
        taken: set[str] = set()
        has_parameter = function.HasField("parameter")
        if has_parameter != tensorflow.HasField("parameter"):
            self._findings.add("binding_malformed", "parameter", "it must be bound if it is there")
            return
        pairs = self._leaves(function.parameter, tensorflow.parameter, "parameter")
        for leaf_type, binding, where in pairs if has_parameter else ():
            num_data_sets += self._check_taken(leaf_type, binding, taken, where)
        if num_data_sets != int(takes_data):
            self._findings.add(
                "one_data_set",
                "parameter",
                f"a computation must take {int(takes_data)} data set, found {num_data_sets}",
            )
        for leaf_type, binding, where in self._leaves(function.result, tensorflow.result, "result"):
            self._check_given(leaf_type, binding, has_fixed_result, where)
        if tensorflow.initialize_op and tensorflow.initialize_op not in self._graph.by_name:
            self._not_found("initialize_op", tensorflow.initialize_op)
        token = tensorflow.session_token_tensor_name
        if token and self._graph.type_of(token) != types_pb2.DT_STRING:
            self._not_found("session_token_tensor_name", token)

    def _has_few_leaves(self, tensorflow: Any) -> bool:
        waiting, num_found = [tensorflow.parameter, tensorflow.result], 0
        while waiting and num_found <= self._bounds.max_arguments:
            elements = waiting.pop().struct.element
            num_found += len(elements)
            waiting.extend(elements)
        if num_found > self._bounds.max_arguments:
            self._findings.add(
                "too_many_arguments",
                "parameter and result",
                f"a computation may have {self._bounds.max_arguments} elements, found more",
            )
            return False
        return True

    def _leaves(self, type_: Any, binding: Any, where: str) -> Iterator[tuple[Any, Any, str]]:
        """Types and bindings of what is no struct; they nest no deeper than messages may."""
        kind = binding.WhichOneof("binding")
        if kind is None or kind != type_.WhichOneof("type"):
            self._findings.add(
                "binding_malformed",
                where,
                f"a {type_.WhichOneof('type')} must be bound to one, found {kind}",
            )
        elif kind != "struct":
            yield type_, binding, where
        elif len(type_.struct.element) != len(binding.struct.element):
            self._findings.add(
                "binding_malformed",
                where,
                f"{len(type_.struct.element)} elements must be bound, found "
                f"{len(binding.struct.element)}",
            )
        else:
            elements = enumerate(zip(type_.struct.element, binding.struct.element, strict=True))
            for at, (element, inner) in elements:
                yield from self._leaves(element.value, inner, f"{where}[{at}]")
                if self._findings.is_full:
                    return

    def _check_taken(self, type_: Any, binding: Any, taken: set[str], where: str) -> int:
        """Checks one leaf of the parameter; 1 for a data set."""
        is_data = binding.WhichOneof("binding") == "sequence"
        name = binding.sequence.variant_tensor_name if is_data else binding.tensor.tensor_name
        if is_data:
            expected = types_pb2.DT_VARIANT
        else:
            expected = type_.tensor.dtype
            self._check_tensor_type(type_.tensor, where, is_fixed=True)
        node = self._graph.by_name.get(name.partition(":")[0])
        is_placeholder = node is not None and node.op == _PLACEHOLDER
        if not is_placeholder or self._graph.type_of(name) != expected or not name.endswith(":0"):
            self._not_found(where, name)
        if name in taken:
            self._findings.add(
                "binding_malformed",
                where,
                f"each input must have a tensor of its own, found {name}",
            )
        taken.add(name)
        return int(is_data)

    def _check_given(self, type_: Any, binding: Any, is_fixed: bool, where: str) -> None:
        if binding.WhichOneof("binding") != "tensor":
            self._findings.add(
                "result_not_allowed", where, "a result must be of numbers, found a data set"
            )
            return
        self._check_tensor_type(type_.tensor, where, is_fixed=is_fixed)
        name = binding.tensor.tensor_name
        if ":" not in name or self._graph.type_of(name) != type_.tensor.dtype:
            self._not_found(where, name)

    def _check_tensor_type(self, type_: Any, where: str, *, is_fixed: bool) -> None:
        sizes = list(type_.dims)
        if not is_number(type_.dtype):
            self._findings.add(
                "type_not_allowed", where, f"a tensor must be of numbers, found type {type_.dtype}"
            )
        if type_.unknown_rank or (is_fixed and any(size < 0 for size in sizes)):
            self._findings.add(
                "shape_not_fixed", where, f"each size must be fixed, found {sizes or 'no rank'}"
            )
        elements = math.prod(max(size, 1) for size in sizes) if len(sizes) < 64 else math.inf
        if len(sizes) > self._bounds.max_rank or elements > self._bounds.max_tensor_elements:
            self._findings.add(
                "shape_too_large",
                where,
                f"a tensor may have {self._bounds.max_rank} dimensions and "
                f"{self._bounds.max_tensor_elements} elements, found {sizes[:16]}",
            )

    def _not_found(self, where: str, name: str) -> None:
        self._findings.add(
            "binding_not_found",
            where,
            f"it must be bound to a tensor of the graph that is of its type, found {shown(name)!r}",
        )
