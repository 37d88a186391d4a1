"""Whether shapes and constants in a graph are what they say, and not too large."""

import math
from typing import Any

from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

from tff_retail.privacy.findings import Findings
from tff_retail.privacy.graph_bounds import GraphBounds

# Numbers: bytes of one, and the field of a TensorProto that holds them one by one.
_NUMBERS = {
    types_pb2.DT_BOOL: (1, "bool_val"),
    types_pb2.DT_UINT8: (1, "int_val"),
    types_pb2.DT_INT8: (1, "int_val"),
    types_pb2.DT_UINT16: (2, "int_val"),
    types_pb2.DT_INT16: (2, "int_val"),
    types_pb2.DT_HALF: (2, "half_val"),
    types_pb2.DT_BFLOAT16: (2, "half_val"),
    types_pb2.DT_INT32: (4, "int_val"),
    types_pb2.DT_UINT32: (4, "uint32_val"),
    types_pb2.DT_FLOAT: (4, "float_val"),
    types_pb2.DT_INT64: (8, "int64_val"),
    types_pb2.DT_UINT64: (8, "uint64_val"),
    types_pb2.DT_DOUBLE: (8, "double_val"),
}


def is_number(dtype: int) -> bool:
    """Whether a TensorFlow type is one of numbers or booleans."""
    return dtype in _NUMBERS


class TensorCheck:
    """Checks shapes and constants, and adds up how large the constants are.

    Args:
      bounds: of the graph.
      findings: told what is wrong.
    """

    def __init__(self, bounds: GraphBounds, findings: Findings) -> None:
        self._bounds, self._findings = bounds, findings
        self._constant_bytes = 0

    def check_shape(self, shape: tensor_shape_pb2.TensorShapeProto, where: str) -> None:
        """A shape that a graph declares; sizes may be left open."""
        sizes = [dim.size for dim in shape.dim]
        if shape.unknown_rank and sizes or any(size < -1 for size in sizes):
            self._findings.add(
                "shape_malformed", where, f"a shape must have sizes from -1 on, found {sizes[:16]}"
            )
        if len(sizes) > self._bounds.max_rank:
            self._findings.add(
                "shape_too_large",
                where,
                f"a shape may have {self._bounds.max_rank} dimensions, found {len(sizes)}",
            )
        elif math.prod(max(size, 1) for size in sizes) > self._bounds.max_tensor_elements:
            self._findings.add(
                "shape_too_large",
                where,
                f"a shape may have {self._bounds.max_tensor_elements} elements, found {sizes}",
            )

    def check_constant(self, tensor: tensor_pb2.TensorProto, where: str) -> None:
        """A constant: numbers, as many as its shape says, or one that stands for the rest."""
        if tensor.dtype not in _NUMBERS:
            self._findings.add(
                "type_not_allowed", where, f"a constant must be of numbers, found {tensor.dtype}"
            )
            return
        self.check_shape(tensor.tensor_shape, where)
        sizes = [dim.size for dim in tensor.tensor_shape.dim]
        if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
            self._findings.add(
                "constant_malformed", where, "a constant must say how large each dimension is"
            )
            return
        self._check_content(tensor, math.prod(sizes), where)

    def _check_content(self, tensor: Any, num_elements: int, where: str) -> None:
        item_bytes, values = _NUMBERS[tensor.dtype]
        self._constant_bytes += num_elements * item_bytes
        if self._constant_bytes > self._bounds.max_constant_bytes:
            self._findings.add(
                "constants_too_large",
                where,
                f"constants may take {self._bounds.max_constant_bytes} bytes in memory, found more",
            )
        fields = {field.name for field, _ in tensor.ListFields()} - {"dtype", "tensor_shape"}
        if fields == {"tensor_content"}:
            fits = len(tensor.tensor_content) == num_elements * item_bytes
        else:  # the last value stands for those that are left out
            fits = fields <= {values} and len(getattr(tensor, values)) <= num_elements
        if not fits:
            self._findings.add(
                "constant_malformed",
                where,
                f"a constant must hold the {num_elements} elements that it says, found other "
                "content",
            )
