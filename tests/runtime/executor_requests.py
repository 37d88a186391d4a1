"""An approved work that can be checked by hand, and the requests of TFF's executor protocol."""

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import computation_pb2, executor_pb2

from tff_retail.runtime import part_session, session_pool, simulated_store
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.round_form import compile_part
from tff_retail.runtime.value_encoding import encode_create_value_request
from tff_retail.runtime.value_tree import Struct


@tff.tensorflow.computation(
    tff.SequenceType(np.int64), tff.StructType([("factor", np.int64), ("bias", (np.float32, [2]))])
)
def sum_times(data, weights):
    """`<total=factor * sum(data), inner=<bias + 1>>`."""
    total = data.reduce(np.int64(0), lambda state, element: state + element)
    return {"inner": (weights.bias + 1.0,), "total": weights.factor * total}


class Values:
    """The pipeline of `values`."""

    def input_specs(self):
        return {"values": tf.TensorSpec([None], tf.int64)}

    def build(self, inputs):
        return tf.data.Dataset.from_tensor_slices(inputs["values"])


class Data:
    """1, 2, 3, and what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def feeds(self, role, *, seed, round_num):
        self.asked.append((role, seed, round_num))
        return {"values": np.array([1, 2, 3])}


def make_work() -> ApprovedWork:
    return ApprovedWork("train", "train", compile_part(sum_times))


def make_store(work: ApprovedWork, data: Data) -> simulated_store.SimulatedStore:
    pool = session_pool.SessionPool(lambda _: part_session.PartSession(work.part, [Values()]))
    role = simulated_store.Role(pool, lambda outputs: {})
    return simulated_store.SimulatedStore("Bern", data, {"train": role})


WEIGHTS = Struct((("factor", np.array(10)), ("bias", np.array([0.5, -1], np.float32))))


class Caller:
    """What a client of the protocol does, one method a call."""

    def __init__(self, service: ExecutorService) -> None:
        self._service = service
        self.executor = executor_pb2.ExecutorId()
        self.executor = self.call("GetExecutor", executor_pb2.GetExecutorResponse).executor

    def call(self, method, response_type, **fields):
        request = getattr(executor_pb2, f"{method}Request")(**fields)
        if method != "GetExecutor":
            request.executor.CopyFrom(self.executor)
        return self.send(method, request.SerializeToString(), response_type)

    def send(self, method, request, response_type):
        buffers = self._service.handle(method, request, caller=1)
        return response_type.FromString(b"".join(buffers))

    def create(self, value: executor_pb2.Value) -> executor_pb2.ValueRef:
        return self.call("CreateValue", executor_pb2.CreateValueResponse, value=value).value_ref

    def data(self, uri: str, value_type=None) -> executor_pb2.ValueRef:
        data = computation_pb2.Data(uri=uri)
        computation = computation_pb2.Computation(data=data, type=value_type)
        return self.create(executor_pb2.Value(computation=computation))

    def tree(self, tree) -> executor_pb2.ValueRef:
        request = b"".join(encode_create_value_request(tree, self.executor.id))
        return self.send("CreateValue", request, executor_pb2.CreateValueResponse).value_ref

    def work(self, computation: bytes) -> executor_pb2.ValueRef:
        proto = computation_pb2.Computation.FromString(computation)
        return self.create(executor_pb2.Value(computation=proto))

    def struct(self, *references) -> executor_pb2.ValueRef:
        element = executor_pb2.CreateStructRequest.Element
        elements = [element(value_ref=reference) for reference in references]
        response = executor_pb2.CreateStructResponse
        return self.call("CreateStruct", response, element=elements).value_ref

    def select(self, source, index) -> executor_pb2.ValueRef:
        response = executor_pb2.CreateSelectionResponse
        return self.call("CreateSelection", response, source_ref=source, index=index).value_ref

    def invoke(self, function, argument=None) -> executor_pb2.ValueRef:
        response = executor_pb2.CreateCallResponse
        return self.call(
            "CreateCall", response, function_ref=function, argument_ref=argument
        ).value_ref

    def compute(self, reference) -> executor_pb2.Value:
        return self.call("Compute", executor_pb2.ComputeResponse, value_ref=reference).value

    def dispose(self, *references) -> None:
        self.call("Dispose", executor_pb2.DisposeResponse, value_ref=references)

    def dispose_executor(self) -> None:
        self.call("DisposeExecutor", executor_pb2.DisposeExecutorResponse)
