"""TFF's own `RemoteExecutor` over a store link: it drives a store that no port leads to.

executor = tff.framework.RemoteExecutor(LinkExecutorStub(link, server.submit))
"""

import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import grpc
import tensorflow_federated as tff
from google.protobuf.message import DecodeError, Message

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import executor_pb2

from tff_retail.privacy.rule_meaning import rule_meaning
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.store_link import StoreLink

_M = TypeVar("_M", bound=Message)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


class LinkCallError(grpc.RpcError):
    """A call over a link came to nothing; as TFF knows it from gRPC.

    Args:
      status: the gRPC status.
      reason: for people.
    """

    def __init__(self, status: grpc.StatusCode, reason: str) -> None:
        super().__init__(f"{status.name}: {reason}")
        self._status, self._reason = status, reason

    def code(self) -> grpc.StatusCode:
        """The gRPC status."""
        return self._status

    def details(self) -> str:
        """What the store said."""
        return self._reason


class LinkExecutorStub(tff.framework.RemoteExecutorStub):
    """Sends the calls of TFF's executor protocol over the link of one store.

    Every call raises `LinkCallError` where it comes to nothing. Not for the loop's own thread.

    Args:
      link: to the store.
      submit: runs a coroutine on the loop of the link server.
    """

    def __init__(
        self,
        link: StoreLink,
        submit: Callable[[Coroutine[Any, Any, Any]], concurrent.futures.Future[Any]],
    ) -> None:
        self._link = link
        self._submit = submit

    def get_executor(
        self, request: executor_pb2.GetExecutorRequest
    ) -> executor_pb2.GetExecutorResponse:
        """Opens an executor."""
        return self._call("GetExecutor", request, executor_pb2.GetExecutorResponse)

    def create_value(
        self, request: executor_pb2.CreateValueRequest
    ) -> executor_pb2.CreateValueResponse:
        """Makes a value."""
        return self._call("CreateValue", request, executor_pb2.CreateValueResponse)

    def create_struct(
        self, request: executor_pb2.CreateStructRequest
    ) -> executor_pb2.CreateStructResponse:
        """Makes a struct of values."""
        return self._call("CreateStruct", request, executor_pb2.CreateStructResponse)

    def create_call(
        self, request: executor_pb2.CreateCallRequest
    ) -> executor_pb2.CreateCallResponse:
        """Makes a call of a computation."""
        return self._call("CreateCall", request, executor_pb2.CreateCallResponse)

    def create_selection(
        self, request: executor_pb2.CreateSelectionRequest
    ) -> executor_pb2.CreateSelectionResponse:
        """Selects an element of a struct."""
        return self._call("CreateSelection", request, executor_pb2.CreateSelectionResponse)

    def compute(self, request: executor_pb2.ComputeRequest) -> executor_pb2.ComputeResponse:
        """Computes a value and gets it."""
        return self._call("Compute", request, executor_pb2.ComputeResponse)

    def dispose(self, request: executor_pb2.DisposeRequest) -> executor_pb2.DisposeResponse:
        """Forgets values."""
        return self._call("Dispose", request, executor_pb2.DisposeResponse)

    def dispose_executor(
        self, request: executor_pb2.DisposeExecutorRequest
    ) -> executor_pb2.DisposeExecutorResponse:
        """Forgets an executor and all its values."""
        return self._call("DisposeExecutor", request, executor_pb2.DisposeExecutorResponse)

    @property
    def is_ready(self) -> bool:
        """Whether the store is there and works under a manifest."""
        return bool(self._link.manifest)

    def _call(self, method: str, request: Message, answers: type[_M]) -> _M:
        async def call() -> _M:
            async with self._link.call(method, [request.SerializeToString()]) as answer:
                return answers.FromString(bytes(answer))

        try:
            found: _M = self._submit(call()).result()
            return found
        except CallFailed as failure:
            status = _STATUS.get(failure.code, grpc.StatusCode.UNKNOWN)
            raise LinkCallError(status, rule_meaning(failure.reason)) from failure
        except LinkLost as lost:
            raise LinkCallError(grpc.StatusCode.UNAVAILABLE, str(lost)) from lost
        except DecodeError as error:
            reason = f"{self._link.name} must answer {method} with its protocol buffer"
            raise LinkCallError(grpc.StatusCode.INTERNAL, reason) from error
