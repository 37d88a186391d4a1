"""A structure of arrays, as TFF's protocol buffers for values nest them."""

import dataclasses
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Struct:
    """A struct of a value.

    Attributes:
      elements: (name, element) in order; '' where an element has no name.
    """

    elements: "tuple[tuple[str, ValueTree], ...]"


ValueTree = np.ndarray | Struct


def leaves_of_tree(tree: ValueTree) -> Iterator[np.ndarray]:
    """The arrays of a tree, in TFF's depth-first order."""
    if isinstance(tree, Struct):
        for _, element in tree.elements:
            yield from leaves_of_tree(element)
    else:
        yield tree
