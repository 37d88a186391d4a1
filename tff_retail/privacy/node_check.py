"""Whether the nodes of a graph, or of one of its functions, are allowed and fit each other."""

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tensorflow.core.framework import full_type_pb2, op_def_pb2

# TensorFlow's definitions of its operations have no public path.
from tensorflow.python.framework import op_def_registry

from tff_retail.privacy.allowed_operations import ALLOWED_OPERATIONS
from tff_retail.privacy.attribute_check import AttributeCheck
from tff_retail.privacy.findings import Findings, shown
from tff_retail.privacy.graph_bounds import GraphBounds

# As TensorFlow has it, and no longer than any of ours.
NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]{0,511}")
# A store's own devices, without the name of a machine or of a task in a cluster.
_DEVICE = re.compile(r"(/(device:)?(CPU|GPU|cpu|gpu):[0-9]{1,2})?")
_TENSOR = re.compile(
    r"(?P<node>[^:^]+)(:(?P<output>[A-Za-z_][A-Za-z0-9_]*))?(:(?P<at>[0-9]{1,6}))?"
)
_PLACED_WITH = b"loc:@"
_MAX_OUTPUTS = 2**16
# What TensorFlow says of the outputs of the allowed operations beyond their types.
_FULL_TYPES = frozenset(
    full_type_pb2.FullTypeId.Value(f"TFT_{name}")
    for name in (
        "UNSET ANY PRODUCT OPTIONAL TENSOR ARRAY SHAPE_TENSOR ITERATOR DATASET BOOL UINT8 UINT16 "
        "UINT32 UINT64 INT8 INT16 INT32 INT64 HALF FLOAT DOUBLE BFLOAT16"
    ).split()
)


class NodeCheck:
    """The nodes of one graph or function.

    Args:
      nodes: of it.
      where: what they are of.
      arguments: of a function, their types by name; None for the graph itself.
      bounds, findings, attributes: of the whole graph.
    """

    def __init__(
        self,
        nodes: Sequence[Any],
        where: str,
        *,
        arguments: Mapping[str, int] | None,
        bounds: GraphBounds,
        findings: Findings,
        attributes: AttributeCheck,
    ) -> None:
        self._nodes, self._where = nodes, where
        self._arguments = arguments
        self._bounds, self._findings, self._attributes = bounds, findings, attributes
        self.by_name: dict[str, Any] = {}
        self._outputs: dict[str, dict[str, list[int]]] = {}  # types by node and output
        self._all_outputs: dict[str, list[int]] = {}  # likewise, in one list
        self.num_outputs = 0

    def check(self) -> None:
        """Checks every node, until there are findings enough."""
        for node in self._nodes:
            self._check_name(node)
        if not self._findings:
            for node in self._nodes:
                self._check_node(node)
                if self._findings.is_full or self.num_outputs > self._bounds.max_outputs:
                    return
        if not self._findings:
            for node in self._nodes:
                self._check_inputs(node)
                if self._findings.is_full:
                    return

    def type_of(self, tensor: str) -> int | None:
        """The type of a tensor by its name; None where there is no such tensor."""
        match = _TENSOR.fullmatch(tensor)
        if match is None:
            return None
        name, output, at = match["node"], match["output"], int(match["at"] or 0)
        if self._arguments is not None and name in self._arguments:
            return self._arguments[name] if output is None and at == 0 else None
        if (output is None) != (self._arguments is None):
            return None  # an output is named in functions, and there alone
        types = self._outputs.get(name, {}).get(output) if output else self._all_outputs.get(name)
        return types[at] if types is not None and at < len(types) else None

    def functions_called(self) -> Iterator[str]:
        """The names of functions that nodes call, each as often as it is called."""
        for node in self._nodes:
            for value in node.attr.values():
                if value.WhichOneof("value") == "func":
                    yield value.func.name
                for each in value.list.func:
                    yield each.name

    def _check_name(self, node: Any) -> None:
        if self._findings.is_full:
            return
        if not NAME.fullmatch(node.name):
            self._findings.add(
                "name_not_allowed",
                self._where,
                f"a node must have a name, found {shown(node.name)!r}",
            )
        elif node.name in self.by_name or node.name in (self._arguments or ()):
            self._findings.add(
                "name_taken", self._where, f"a node must have a name of its own, found {node.name}"
            )
        self.by_name[node.name] = node

    def _check_node(self, node: Any) -> None:
        where = f"{self._where}, node {node.name} ({node.op})"
        if not _DEVICE.fullmatch(node.device):
            self._findings.add(
                "device_not_allowed",
                where,
                f"a node must run on a CPU or GPU of this machine, found {shown(node.device)!r}",
            )
        if len(node.input) > self._bounds.max_arguments:
            self._findings.add(
                "too_many_arguments",
                where,
                f"an operation may have {self._bounds.max_arguments} inputs, found "
                f"{len(node.input)}",
            )
        definition = definition_of(node.op)
        if node.op not in ALLOWED_OPERATIONS or definition is None:
            self._findings.add(
                "operation_not_allowed",
                where,
                "an operation must be one of tff_retail/privacy/allowed_operations.py, found "
                f"{shown(node.op)!r}",
            )
            return
        self._attributes.check_node(node, definition, where)
        self._check_colocation(node, where)
        self._check_full_type(node, where)
        outputs = _outputs(node, definition)
        if outputs is None:
            self._findings.add(
                "attribute_missing", where, "a node must say of what type its outputs are"
            )
        self._outputs[node.name] = outputs = outputs or {}
        self._all_outputs[node.name] = list(itertools.chain(*outputs.values()))
        self.num_outputs += len(self._all_outputs[node.name])
        if self.num_outputs > self._bounds.max_outputs:
            self._findings.add(
                "too_many_outputs",
                where,
                f"operations may have {self._bounds.max_outputs} outputs, found more",
            )

    def _check_inputs(self, node: Any) -> None:
        for tensor in node.input:
            if tensor.startswith("^"):
                name = tensor[1:]
                is_found = name in self.by_name or name in (self._arguments or ())
            else:
                is_found = self.type_of(tensor) is not None
            if not is_found:
                self._findings.add(
                    "input_not_found",
                    f"{self._where}, node {node.name} ({node.op})",
                    f"an input must be a tensor of the same graph, found {shown(tensor)!r}",
                )

    def _check_colocation(self, node: Any, where: str) -> None:
        for text in node.attr["_class"].list.s if "_class" in node.attr else ():
            name = text.removeprefix(_PLACED_WITH).decode("utf-8", "replace")
            # A function may name a node of its caller, whose place it takes.
            known = name in self.by_name if self._arguments is None else NAME.fullmatch(name)
            if not text.startswith(_PLACED_WITH) or not known:
                self._findings.add(
                    "attribute_not_allowed",
                    where,
                    f"_class must name a node of the same graph, found {shown(text)}",
                )

    def _check_full_type(self, node: Any, where: str) -> None:
        waiting = [node.experimental_type] if node.HasField("experimental_type") else []
        while waiting:
            full_type = waiting.pop()
            if full_type.type_id not in _FULL_TYPES or full_type.WhichOneof("attr"):
                self._findings.add(
                    "type_not_allowed",
                    where,
                    f"experimental_type must be of what a store's operations give, found "
                    f"{full_type.type_id}",
                )
                return
            waiting.extend(full_type.args)


@functools.cache
def definition_of(operation: str) -> op_def_pb2.OpDef | None:
    """TensorFlow's definition of an operation, or None."""
    return op_def_registry.get(operation)


def _outputs(node: Any, definition: op_def_pb2.OpDef) -> dict[str, list[int]] | None:
    """The types of a node's outputs by their names; None where an attribute for it is missing."""
    found: dict[str, list[int]] = {}
    for argument in definition.output_arg:
        if argument.type_list_attr:
            value = _attribute(node, definition, argument.type_list_attr)
            types = None if value is None else list(value.list.type)
        else:
            types = _types(node, definition, argument)
        if types is None:
            return None
        found[argument.name] = types
    return found


def _types(node: Any, definition: op_def_pb2.OpDef, argument: Any) -> list[int] | None:
    number, dtype = 1, argument.type
    if argument.number_attr:
        value = _attribute(node, definition, argument.number_attr)
        if value is None or value.i < 0:
            return None
        number = value.i
    if argument.type_attr:
        value = _attribute(node, definition, argument.type_attr)
        if value is None:
            return None
        dtype = value.type
    return [dtype] * min(number, _MAX_OUTPUTS)  # what is more was refused


def _attribute(node: Any, definition: op_def_pb2.OpDef, name: str) -> Any:
    if name in node.attr:
        return node.attr[name]
    default = next(each for each in definition.attr if each.name == name)
    return default.default_value if default.HasField("default_value") else None
