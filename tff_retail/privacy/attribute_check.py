"""Whether the attributes of an operation are those of its definition, and name nothing outside."""

from collections.abc import Iterable, Mapping
from typing import Any

from tensorflow.core.framework import attr_value_pb2, op_def_pb2, types_pb2

from tff_retail.privacy.allowed_attributes import (
    ALLOWED_OF_FUNCTION,
    ALLOWED_TEXTS,
    ALLOWED_UNDERSCORED,
    OPERATIONS_WITH_CONFIG,
)
from tff_retail.privacy.allowed_operations import ALLOWED_OPERATIONS
from tff_retail.privacy.findings import Findings, shown
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.tensor_check import TensorCheck, is_number

_HANDLES = (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT)
# What a data set or a list holds is numbers, also where the operation itself hands on more.
_TYPES_OF_ELEMENTS = ("output_types", "element_dtype", "shape_type")
# The session token of a TFF computation is a placeholder of a string, which nothing feeds or reads.
_PLACEHOLDER = "Placeholder"
# Fields of AttrValue by the type that a definition gives.
_FIELDS = {
    "string": "s",
    "int": "i",
    "float": "f",
    "bool": "b",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "func",
}
# What lists hold of which no definition knows; others must be empty.
_LISTED = {"_class": {"s"}, "_output_shapes": {"shape"}}
# Numbers in attributes are sizes of windows, axes, masks and how many inputs or outputs there are:
# TensorFlow makes as many outputs as `num` says while it loads the graph.
_MAX_NUMBER = 2**16
# Iterations of a loop that may run at once; memory for each is taken when the loop begins.
_MAX_PARALLEL = 64


class AttributeCheck:
    """Checks attributes of nodes and functions.

    Args:
      bounds: of the graph.
      findings: told what is wrong.
      functions: names of the functions of the library.
    """

    def __init__(self, bounds: GraphBounds, findings: Findings, functions: Iterable[str]) -> None:
        self._bounds, self._findings = bounds, findings
        self._functions = frozenset(functions)
        self._tensors = TensorCheck(bounds, findings)

    def check_node(self, node: Any, definition: op_def_pb2.OpDef, where: str) -> None:
        """The attributes of a node, whose operation is an allowed one."""
        kinds = {each.name: each for each in definition.attr}
        for name, value in node.attr.items():
            if name in kinds:
                self._check_defined(node.op, kinds[name], value, where)
            else:
                self.check_listed(name, value, ALLOWED_UNDERSCORED, where)

    def check_listed(self, name: str, value: Any, allowed: Mapping[str, str], where: str) -> None:
        """An attribute that no definition knows."""
        if name not in allowed:
            self._refuse(where, f"the attribute {shown(name)!r} is on no list of what may be there")
        elif self._is_of_kind(allowed[name], value, name, where):
            self._check_value("", name, value, where)
            fields = {field.name for field, _ in value.list.ListFields()}
            if not fields <= _LISTED.get(name, set()):
                self._refuse(where, f"{name} may hold no such list, found {sorted(fields)}")

    def _check_defined(
        self, operation: str, kind: op_def_pb2.OpDef.AttrDef, value: Any, where: str
    ) -> None:
        is_list = kind.type.startswith("list(")
        field = "list" if is_list else _FIELDS.get(kind.type, "")
        if not self._is_of_kind(field, value, kind.name, where):
            return
        if is_list and not self._is_list_of(kind.type[5:-1], value, kind.name, where):
            return
        if kind.allowed_values.list.s and not is_list:
            if value.s not in kind.allowed_values.list.s:
                self._refuse(where, f"{kind.name} must be one of its definition's values")
            return
        self._check_value(operation, kind.name, value, where)

    def _is_of_kind(self, field: str, value: Any, name: str, where: str) -> bool:
        found = value.WhichOneof("value")
        if found == field:
            return True
        self._refuse(where, f"the attribute {shown(name)} must be a {field}, found {found}")
        return False

    def _is_list_of(self, kind: str, value: Any, name: str, where: str) -> bool:
        fields = [field.name for field, _ in value.list.ListFields()]
        if fields in ([], [_FIELDS.get(kind)]):
            return True
        self._refuse(where, f"the attribute {name} must be a list of {kind}, found {fields}")
        return False

    def _check_value(
        self, operation: str, name: str, value: attr_value_pb2.AttrValue, where: str
    ) -> None:
        found = value.WhichOneof("value")
        values: Any = value.list if found == "list" else value
        for kind in ("s", "i", "type", "shape", "tensor", "func"):
            if found not in ("list", kind):
                continue
            several = getattr(values, kind)
            several = several if found == "list" else [several]
            if len(several) > self._bounds.max_arguments:
                self._findings.add(
                    "too_many_arguments",
                    where,
                    f"a list may have {self._bounds.max_arguments} elements, found {len(several)}",
                )
                continue
            for each in several:
                self._check_one(operation, name, kind, each, where)
                if self._findings.is_full:
                    return

    def _check_one(self, operation: str, name: str, kind: str, value: Any, where: str) -> None:
        if kind == "s":
            self._check_text(operation, name, value, where)
        elif kind == "i":
            most = _MAX_PARALLEL if name == "parallel_iterations" else _MAX_NUMBER
            if not -_MAX_NUMBER <= value <= most:
                self._findings.add(
                    "number_too_large",
                    where,
                    f"{name} must be in [-{_MAX_NUMBER}, {most}], found {value}",
                )
        elif kind == "type":
            self._check_type(operation, name, value, where)
        elif kind == "shape":
            self._tensors.check_shape(value, where)
        elif kind == "tensor":
            self._tensors.check_constant(value, where)
        else:
            self._check_function(value, where)

    def _check_text(self, operation: str, name: str, value: bytes, where: str) -> None:
        if name == "_class":  # checked with the nodes that it names
            return
        pattern = ALLOWED_TEXTS.get(name)
        if name == "config_proto" and operation not in OPERATIONS_WITH_CONFIG:
            pattern = None
        if value and (pattern is None or not pattern.fullmatch(value)):
            self._findings.add(
                "text_not_allowed",
                where,
                f"{name} must be empty or what a store knows, found {shown(value)}",
            )

    def _check_type(self, operation: str, name: str, value: int, where: str) -> None:
        if is_number(value):
            return
        kind = ALLOWED_OPERATIONS.get(operation)
        if value in _HANDLES and kind is not None and kind.holds_handles:
            if name not in _TYPES_OF_ELEMENTS:
                return
        if value == types_pb2.DT_STRING and operation == _PLACEHOLDER:
            return
        self._findings.add(
            "type_not_allowed",
            where,
            f"{name} must be a type of numbers, found the type {value} of TensorFlow's types.proto",
        )

    def _check_function(self, value: attr_value_pb2.NameAttrList, where: str) -> None:
        if value.name not in self._functions:
            self._findings.add(
                "function_not_found",
                where,
                f"what is called must be of the graph's own library, found {shown(value.name)!r}",
            )
        for name, attribute in value.attr.items():
            self.check_listed(name, attribute, ALLOWED_OF_FUNCTION, where)

    def _refuse(self, where: str, sentence: str) -> None:
        self._findings.add("attribute_not_allowed", where, sentence)
