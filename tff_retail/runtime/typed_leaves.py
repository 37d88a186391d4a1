"""Values of TFF types as flat lists of leaves, in TFF's depth-first order, and back."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff


def leaf_types(type_spec: tff.Type) -> Iterator[tff.Type]:
    """The types of a type's leaves."""
    if isinstance(type_spec, tff.FederatedType):
        yield from leaf_types(type_spec.member)
    elif isinstance(type_spec, tff.StructType):
        for _, inner in tff.structure.iter_elements(type_spec):
            yield from leaf_types(inner)
    else:
        yield type_spec


def leaves_of(value: Any, type_spec: tff.Type) -> Iterator[Any]:
    """The leaves of a value of a type, whatever containers it stands in; tensors as arrays.

    Raises:
      TypeError: the value has other elements than its type.
    """
    if isinstance(type_spec, tff.FederatedType):
        yield from leaves_of(value, type_spec.member)
    elif isinstance(type_spec, tff.StructType):
        types = [inner for _, inner in tff.structure.iter_elements(type_spec)]
        for element, inner in zip(_elements(value, type_spec), types, strict=True):
            yield from leaves_of(element, inner)
    elif isinstance(type_spec, tff.TensorType):
        is_tensor = isinstance(value, tf.Tensor | tf.Variable)
        yield value.numpy() if is_tensor else np.asarray(value)
    else:
        yield value


def value_of(leaves: Sequence[Any], type_spec: tff.Type) -> Any:
    """The value of a type with these leaves, in the Python containers that the type names."""
    remaining = iter(leaves)

    def build(inner: tff.Type) -> Any:
        if isinstance(inner, tff.FederatedType):
            return build(inner.member)
        if isinstance(inner, tff.StructType):
            elements = [(name, build(t)) for name, t in tff.structure.iter_elements(inner)]
            return tff.types.type_to_py_container(tff.structure.Struct(elements), inner)
        return next(remaining)

    return build(type_spec)


def _elements(value: Any, type_spec: tff.StructType) -> list[Any]:
    """The elements of a struct in the order of its type: by name where they have names."""
    if not isinstance(value, tff.structure.Struct):
        value = tff.structure.from_container(value)
    names = [name for name, _ in tff.structure.iter_elements(type_spec)]
    found = tff.structure.name_list(value)
    has_names = bool(found) and None not in names
    if len(value) != len(names) or (has_names and set(found) != set(names)):
        raise TypeError(
            f"A value must have the elements of its type, {_shown(names)}, found "
            f"{_shown(found) if found else len(value)}."
        )
    return [getattr(value, name) for name in names] if has_names else list(value)


def _shown(names: Sequence[str | None]) -> str:
    return f"{len(names)} ({', '.join(str(name) for name in names)})"
