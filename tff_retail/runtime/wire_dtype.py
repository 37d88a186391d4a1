"""The types of numbers that travel in TFF's protocol buffers for arrays."""

import dataclasses
from typing import Any

import ml_dtypes
import numpy as np

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import data_type_pb2


@dataclasses.dataclass(frozen=True)
class WireDtype:
    """How the elements of an array travel.

    Attributes:
      number: of the protocol buffers' enumeration.
      dtype: in memory, and in an array's `content`.
      list_field: of the message, where an array travels as a list; TFF sends scalars so.
      list_dtype: what such a list holds: 16-bit floats are sent as the integers that their bits
        make.
    """

    number: int
    dtype: np.dtype[Any]
    list_field: str
    list_dtype: np.dtype[Any]


def _wire_dtype(name: str, dtype: Any, list_field: str, list_dtype: Any = None) -> WireDtype:
    number = data_type_pb2.DataType.Value(name)
    return WireDtype(number, np.dtype(dtype), list_field, np.dtype(list_dtype or dtype))


# Neither complex numbers nor strings: no graph of a round form takes or gives them.
_ALL = (
    _wire_dtype("DT_BOOL", np.bool_, "bool_list"),
    _wire_dtype("DT_INT8", np.int8, "int8_list"),
    _wire_dtype("DT_INT16", np.int16, "int16_list"),
    _wire_dtype("DT_INT32", np.int32, "int32_list"),
    _wire_dtype("DT_INT64", np.int64, "int64_list"),
    _wire_dtype("DT_UINT8", np.uint8, "uint8_list"),
    _wire_dtype("DT_UINT16", np.uint16, "uint16_list"),
    _wire_dtype("DT_UINT32", np.uint32, "uint32_list"),
    _wire_dtype("DT_UINT64", np.uint64, "uint64_list"),
    _wire_dtype("DT_HALF", np.float16, "float16_list", np.uint16),
    _wire_dtype("DT_BFLOAT16", ml_dtypes.bfloat16, "bfloat16_list", np.uint16),
    _wire_dtype("DT_FLOAT", np.float32, "float32_list"),
    _wire_dtype("DT_DOUBLE", np.float64, "float64_list"),
)

WIRE_DTYPES_BY_NUMBER = {wire.number: wire for wire in _ALL}
WIRE_DTYPES_BY_DTYPE = {wire.dtype: wire for wire in _ALL}
