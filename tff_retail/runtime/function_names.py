"""Names for the functions of a graph that say what they hold, not when they were traced.

TensorFlow numbers functions by a counter of the process (`__inference_reduce_body_8079`), so that
two compiles of one computation differ, and functions of two graphs may bear one name by chance.
A name derived from the content cures both: equal functions have equal names in every process, and
graphs can be joined, since equal names mean equal functions.
"""

import collections
import hashlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2

# What only Python reads, where it differentiates a function or prints a trace; both would bring
# the process's counter back.
_NODE_ATTRIBUTES_OF_PYTHON = ("_gradient_op_type",)
_FUNCTION_ATTRIBUTES_OF_PYTHON = ("forward_function_name", "backward_function_name")
_ARGUMENT_ATTRIBUTES_OF_PYTHON = ("_user_specified_name",)
_ARGUMENT = "argument"


def name_functions_by_content(graph: tf.compat.v1.GraphDef) -> None:
    """Renames the functions of `graph`'s library, in place, and drops those that nothing calls.

    Two functions that are equal become one, unless they keep state (an iterator's position, a
    random generator's): then the second in the order of first use has another number at its end.

    Raises:
      TypeError: a function calls itself, so that its name can't be made of what it calls.
    """
    naming = _Naming(graph.library)
    for node in graph.node:
        naming.rename_in_node(node)
    graph.library.CopyFrom(naming.library())


class _Naming:
    """New names for functions, given where they are first met from the graph's nodes on."""

    def __init__(self, library: function_pb2.FunctionDefLibrary) -> None:
        self._old = {function.signature.name: function for function in library.function}
        self._gradients = {pair.function_name: pair.gradient_func for pair in library.gradient}
        self._names: dict[str, str] = {}
        self._unfinished: set[str] = set()
        self._new: dict[str, function_pb2.FunctionDef] = {}
        self._new_gradients: dict[str, str] = {}
        self._num_with_content: collections.Counter[str] = collections.Counter()

    def library(self) -> function_pb2.FunctionDefLibrary:
        """The functions under their new names, sorted by them."""
        pairs = sorted(self._new_gradients.items())
        return function_pb2.FunctionDefLibrary(
            function=[function for _, function in sorted(self._new.items())],
            gradient=[
                function_pb2.GradientDef(function_name=name, gradient_func=gradient)
                for name, gradient in pairs
            ],
        )

    def rename_in_node(self, node: node_def_pb2.NodeDef) -> None:
        """Renames what a node calls: as its operation, or in its attributes."""
        node.op = self._name(node.op)
        _drop(node.attr, _NODE_ATTRIBUTES_OF_PYTHON)
        for key in sorted(node.attr):
            for reference in _references(node.attr[key]):
                reference.name = self._name(reference.name)

    def _name(self, old: str) -> str:
        """The new name of a function; the same name where it is none of the library's."""
        if old not in self._old:
            return old
        if old not in self._names:
            if old in self._unfinished:
                raise TypeError(f"A function of a graph must not call itself, found {old}.")
            self._unfinished.add(old)
            self._names[old] = self._add(self._old[old])
        return self._names[old]

    def _add(self, old: function_pb2.FunctionDef) -> str:
        gradient = self._gradients.get(old.signature.name)
        new_gradient = "" if gradient is None else self._name(gradient)
        function = function_pb2.FunctionDef()
        function.CopyFrom(old)
        self._make_canonical(function)
        function.signature.name = ""
        content = _digest(function, new_gradient)
        name = f"function_{content}"
        if function.signature.is_stateful:
            self._num_with_content[content] += 1
            name += f"_{self._num_with_content[content]}"
        function.signature.name = name
        self._new[name] = function
        if new_gradient:
            self._new_gradients[name] = new_gradient
        return name

    def _make_canonical(self, function: function_pb2.FunctionDef) -> None:
        _drop(function.attr, _FUNCTION_ATTRIBUTES_OF_PYTHON)
        for key in sorted(function.attr):
            for reference in _references(function.attr[key]):
                reference.name = self._name(reference.name)
        for argument in function.arg_attr.values():
            _drop(argument.attr, _ARGUMENT_ATTRIBUTES_OF_PYTHON)
        _number_arguments(function)
        for node in function.node_def:
            self.rename_in_node(node)


def _digest(function: function_pb2.FunctionDef, gradient: str) -> str:
    content = hashlib.sha256(function.SerializeToString(deterministic=True))
    content.update(gradient.encode())
    return content.hexdigest()


def _references(value: attr_value_pb2.AttrValue) -> Iterator[attr_value_pb2.NameAttrList]:
    """Every mention of a function in an attribute, and within what a mention binds."""
    kind = value.WhichOneof("value")
    mentions = [value.func] if kind == "func" else value.list.func if kind == "list" else []
    for mention in mentions:
        for key in sorted(mention.attr):
            yield from _references(mention.attr[key])
        yield mention


def _number_arguments(function: function_pb2.FunctionDef) -> None:
    """Names arguments by position: a loop's are named for the functions beside them.

    Such as `while_while_cond_1234___redundant_placeholder0`.
    """
    names = (node.name for node in function.node_def)
    taken = [name.removeprefix(_ARGUMENT) for name in names if name.startswith(_ARGUMENT)]
    # One more `_` than any node has there; counted at once, for a hostile graph has many such.
    longest = max((len(rest) - len(rest.lstrip("_")) for rest in taken), default=-1)
    prefix = _ARGUMENT + "_" * (longest + 1)
    renamed = {}
    for position, argument in enumerate(function.signature.input_arg):
        renamed[argument.name] = argument.name = f"{prefix}_{position}"
    for node in function.node_def:
        node.input[:] = [_renamed(tensor, renamed) for tensor in node.input]
    for output, tensor in list(function.ret.items()):
        function.ret[output] = _renamed(tensor, renamed)


def _renamed(tensor: str, renamed: dict[str, str]) -> str:
    """A tensor's name in a function: `argument`, `argument:0`, `^argument` or `node:output:0`."""
    mark = "^" if tensor.startswith("^") else ""
    owner, colon, rest = tensor.removeprefix("^").partition(":")
    return f"{mark}{renamed.get(owner, owner)}{colon}{rest}"


def _drop(attributes: MutableMapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in attributes:
            del attributes[name]
