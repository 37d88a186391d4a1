"""A store as a TFF remote executor: the eight calls of `ExecutorGroup`, on serialised requests.

What a caller can have computed is the result of an approved work on the store's own examples, and
nothing else: it names the examples (`store://train`), sends a broadcast, puts both together, calls
an approved computation with them, and asks for what that gives.

https://github.com/google-parfait/tensorflow-federated/blob/v0.87.0/tensorflow_federated/proto/v0/executor.proto
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2, executor_pb2

from tff_retail.privacy.message_scan import Unreadable, scan_message
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.data_uri import DataName
from tff_retail.runtime.executor_error import ExecutorError, malformed, refused, too_much
from tff_retail.runtime.executor_limits import ExecutorLimits
from tff_retail.runtime.executor_table import ExecutorTable
from tff_retail.runtime.executor_values import (
    CallValue,
    DataValue,
    ExecutorValue,
    ResultPart,
    StructValue,
    TensorValue,
    WorkValue,
    leaves_of_value,
    make_struct,
    own_copy,
    read_value,
)
from tff_retail.runtime.graph_part import Leaf
from tff_retail.runtime.lifted_contents import lift_contents
from tff_retail.runtime.value_decoding import MalformedValue
from tff_retail.runtime.value_encoding import Buffer
from tff_retail.runtime.work_desk import WorkDesk

# A struct of 10,000 values has five fields for each. An empty message has two bytes, and a hundred
# in memory: a request of a model's size could take gigabytes.
_MAX_REQUEST_FIELDS = 200_000
# Protobuf's own bound.
_MAX_REQUEST_DEPTH = 100


class ExecutorService:
    """Answers the calls of TFF's executor protocol; called from any thread.

    Args:
      desk: computes.
    """

    def __init__(self, desk: WorkDesk) -> None:
        self._desk = desk
        self._approved: dict[str, tuple[ApprovedWork, ...]] = {}
        self._table = ExecutorTable(ExecutorLimits())
        self._methods: dict[str, tuple[type[Message], Callable[..., Message | list[Buffer]]]] = {
            "GetExecutor": (executor_pb2.GetExecutorRequest, self._get_executor),
            "CreateValue": (executor_pb2.CreateValueRequest, self._create_value),
            "CreateCall": (executor_pb2.CreateCallRequest, self._create_call),
            "CreateStruct": (executor_pb2.CreateStructRequest, self._create_struct),
            "CreateSelection": (executor_pb2.CreateSelectionRequest, self._create_selection),
            "Compute": (executor_pb2.ComputeRequest, self._compute),
            "Dispose": (executor_pb2.DisposeRequest, self._dispose),
            "DisposeExecutor": (executor_pb2.DisposeExecutorRequest, self._dispose_executor),
        }

    def approve(self, works: Sequence[ApprovedWork], limits: ExecutorLimits | None = None) -> None:
        """Sets what may be run from now on; nothing else may.

        Args:
          works: that may.
          limits: on what callers can make it hold; None for what these works need.

        Raises:
          ValueError: two of them are the same graph on the same examples.
        """
        approved: dict[str, tuple[ApprovedWork, ...]] = {}
        for work in works:
            same = approved.get(work.part.digest, ())
            if any(other.split == work.split for other in same):
                raise ValueError(f"Roles of one graph must differ in data, found {work.role!r}.")
            approved[work.part.digest] = (*same, work)
        self._approved = approved
        self._table.limits = limits or ExecutorLimits.for_works(works)

    def handle(
        self, method: str, request: bytes | bytearray | memoryview, *, caller: Hashable
    ) -> list[Buffer]:
        """Answers a call.

        Args:
          method: one of `EXECUTOR_METHODS`.
          request: its serialised message.
          caller: who waits for the answer, see `cancel`.

        Returns:
          The serialised response, in buffers to be sent one after the other.

        Raises:
          ExecutorError: the call was refused, or failed.
        """
        if method not in self._methods:
            raise ExecutorError(
                grpc.StatusCode.UNIMPLEMENTED, "unknown_method", f"found {method[:40]!r}"
            )
        most = self._table.limits.max_request_bytes
        if len(request) > most:
            raise too_much(f"a request may have {most} bytes, found {len(request)}")
        message_type, answer = self._methods[method]
        message: Any = message_type()
        contents: list[memoryview] = []
        try:
            scan_message(
                memoryview(request),
                message_type.DESCRIPTOR,
                max_fields=_MAX_REQUEST_FIELDS,
                max_depth=_MAX_REQUEST_DEPTH,
            )
            if method == "CreateValue":
                request, contents = lift_contents(memoryview(request))
            message.MergeFromString(request)
        except (DecodeError, MalformedValue, Unreadable) as error:
            raise malformed(f"a {method} request must be of its protocol buffer") from error
        if method == "CreateValue":
            response = answer(message, contents)
        else:
            response = answer(message, caller) if method == "Compute" else answer(message)
        return response if isinstance(response, list) else [response.SerializeToString()]

    def cancel(self, caller: Hashable) -> None:
        """Tells that a caller does not wait any more."""
        self._desk.cancel(caller)

    def _get_executor(
        self, request: executor_pb2.GetExecutorRequest
    ) -> executor_pb2.GetExecutorResponse:
        for cardinality in request.cardinalities:
            if cardinality.cardinality not in (0, 1):
                raise malformed(
                    f"a store is one client, found a cardinality of {cardinality.cardinality}"
                )
        executor = executor_pb2.ExecutorId(id=self._table.open())
        return executor_pb2.GetExecutorResponse(executor=executor)

    def _create_value(
        self, request: executor_pb2.CreateValueRequest, contents: list[memoryview]
    ) -> executor_pb2.CreateValueResponse:
        self._table.require(request.executor.id)  # before the work of reading
        lifted = iter(contents)
        value = read_value(request.value, self._approved, lifted)
        if next(lifted, None) is not None:
            raise malformed("what is sent must hold the numbers of its arrays and no others")
        return executor_pb2.CreateValueResponse(value_ref=self._add(request, value))

    def _create_struct(
        self, request: executor_pb2.CreateStructRequest
    ) -> executor_pb2.CreateStructResponse:
        elements = tuple(self._get(request, element.value_ref) for element in request.element)
        return executor_pb2.CreateStructResponse(
            value_ref=self._add(request, make_struct(elements))
        )

    def _create_selection(
        self, request: executor_pb2.CreateSelectionRequest
    ) -> executor_pb2.CreateSelectionResponse:
        source = self._get(request, request.source_ref)
        value = _select(source, request.index)
        return executor_pb2.CreateSelectionResponse(value_ref=self._add(request, value))

    def _create_call(
        self, request: executor_pb2.CreateCallRequest
    ) -> executor_pb2.CreateCallResponse:
        function = self._get(request, request.function_ref)
        if not isinstance(function, WorkValue):
            raise malformed("what is called must be a computation")
        if not request.HasField("argument_ref"):
            raise malformed("an approved computation must be called with an argument")
        call = _call(function.works, self._get(request, request.argument_ref))
        return executor_pb2.CreateCallResponse(value_ref=self._add(request, call))

    def _compute(self, request: executor_pb2.ComputeRequest, caller: Hashable) -> list[Buffer]:
        value = self._get(request, request.value_ref)
        call = value.call if isinstance(value, ResultPart) else value
        if not isinstance(call, CallValue):
            raise refused(
                "own_results_only", "only the result of an approved computation can be computed"
            )
        message = self._desk.result(call.work, call.data, call.broadcast, caller=caller)
        path = value.path if isinstance(value, ResultPart) else ()
        return _part_of(message, path) if path else message

    def _dispose(self, request: executor_pb2.DisposeRequest) -> executor_pb2.DisposeResponse:
        self._table.dispose(request.executor.id, [each.id for each in request.value_ref])
        return executor_pb2.DisposeResponse()

    def _dispose_executor(
        self, request: executor_pb2.DisposeExecutorRequest
    ) -> executor_pb2.DisposeExecutorResponse:
        self._table.close(request.executor.id)
        return executor_pb2.DisposeExecutorResponse()

    def _get(self, request: Any, reference: executor_pb2.ValueRef) -> ExecutorValue:
        return self._table.get(request.executor.id, reference.id)

    def _add(self, request: Any, value: ExecutorValue) -> executor_pb2.ValueRef:
        return executor_pb2.ValueRef(id=self._table.add(request.executor.id, value))


def _select(source: ExecutorValue, index: int) -> ExecutorValue:
    if isinstance(source, StructValue):
        if not 0 <= index < len(source.elements):
            raise malformed(f"a selection must be in [0, {len(source.elements)}), found {index}")
        return own_copy(source.elements[index])
    if isinstance(source, DataValue):
        raise refused("own_results_only", "nothing is selected from a store's examples")
    if isinstance(source, CallValue | ResultPart):
        call, path = (source, ()) if isinstance(source, CallValue) else (source.call, source.path)
        path = (*path, index)
        _selected(call.work.result_type, path)
        return ResultPart(call, path)
    raise malformed("what is selected from must be a struct")


def _selected(result_type: computation_pb2.Type, path: tuple[int, ...]) -> None:
    """Refuses a path that leads nowhere, before anything is computed."""
    for index in path:
        if result_type.WhichOneof("type") != "struct":
            raise malformed("what is selected from must be a struct")
        elements = result_type.struct.element
        if not 0 <= index < len(elements):
            raise malformed(f"a selection must be in [0, {len(elements)}), found {index}")
        result_type = elements[index].value


def _part_of(message: list[Buffer], path: tuple[int, ...]) -> list[Buffer]:
    value = executor_pb2.ComputeResponse.FromString(b"".join(message)).value
    for index in path:
        value = value.struct.element[index].value
    return [executor_pb2.ComputeResponse(value=value).SerializeToString()]


def _call(works: Sequence[ApprovedWork], argument: ExecutorValue) -> CallValue:
    """The call of a work with the leaves of an argument, checked against what the graph takes."""
    leaves, parameter = list(leaves_of_value(argument)), works[0].part.parameter
    if len(leaves) != len(parameter):
        raise malformed(
            f"the argument of {works[0].role!r} must have {len(parameter)} leaves, found "
            f"{len(leaves)}"
        )
    called: tuple[ApprovedWork, DataName] | None = None
    broadcast: list[np.ndarray] = []
    for leaf, value in zip(parameter, leaves, strict=True):
        if isinstance(value, CallValue | ResultPart):
            raise refused("own_data_only", "the result of a call is no argument of another")
        if leaf.is_sequence:
            called = _work_on(works, value)
        else:
            broadcast.append(_checked_array(leaf, value))
    assert called is not None  # an approved work takes one data set
    return CallValue(*called, tuple(broadcast))


def _work_on(works: Sequence[ApprovedWork], value: ExecutorValue) -> tuple[ApprovedWork, DataName]:
    """Which of the roles of one graph is meant, and on what."""
    if not isinstance(value, DataValue):
        raise refused("own_data_only", "a store works on its own data and on no other")
    work = next((each for each in works if each.split == value.name.split), None)
    if work is None:
        work = works[0]
        raise refused(
            "own_data_only", f"{work.role!r} works on store://{work.split} and on no other data"
        )
    if value.type is not None and value.type != work.data_type:
        raise malformed(f"the data of {work.role!r} must have the type that its graph takes")
    return work, value.name


def _checked_array(leaf: Leaf, value: ExecutorValue) -> np.ndarray:
    if not isinstance(value, TensorValue):
        raise malformed(f"{leaf.path} must be an array")
    array = value.array
    fits = len(array.shape) == len(leaf.shape) and all(
        expected in (None, found) for expected, found in zip(leaf.shape, array.shape, strict=True)
    )
    if array.dtype.name != leaf.dtype or not fits:
        raise malformed(
            f"{leaf.path} must be {leaf.dtype}{list(leaf.shape)}, found "
            f"{array.dtype.name}{list(array.shape)}"
        )
    return array
