"""The unmodified `tff.framework.RemoteExecutor` drives a store over mutual TLS."""

import asyncio
import functools
import re

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import computation_pb2

from tests.integration.link_stores import Chain
from tests.runtime.executor_requests import Data, make_store, make_work, sum_times
from tff_retail.config import ConfigurationError
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.executor_grpc_service import ExecutorGrpcService
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.kept_results import KeptResults
from tff_retail.runtime.store import WorkRequest
from tff_retail.runtime.work_desk import WorkDesk
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.loop_thread import LoopThread

URI = "store://train?round=3&seed=7"
WEIGHTS = {"factor": np.int64(10), "bias": np.array([0.5, -1], np.float32)}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.fixture(scope="module")
def work():
    return make_work()


@pytest.fixture(scope="module")
def served(chain, work, tmp_path_factory):
    """The port of a store without a child."""
    kept = KeptResults(tmp_path_factory.mktemp("kept"), max_bytes=10**6, say=pytest.fail)
    service = ExecutorService(WorkDesk(make_store(work, Data()), kept, **_no_calls()))
    service.approve([work])

    async def answer(method, request, who):
        assert re.fullmatch("client [0-9a-f]{64}", who)
        handle = functools.partial(service.handle, method, request, caller=object())
        try:
            return await asyncio.get_running_loop().run_in_executor(None, handle)
        except ExecutorError as error:
            raise CallFailed(error.code, str(error)) from error

    loop = LoopThread("executor")
    server = ExecutorGrpcService("localhost:0", chain.server_tls(), answer)
    yield loop.submit(server.start()).result()
    loop.submit(server.stop()).result()
    loop.close()
    kept.close()


def _no_calls():
    return {
        "stop_work": pytest.fail,
        "on_done": lambda *_: None,
        "on_failed": lambda *_: pytest.fail(),
    }


@pytest.fixture
def channel(served, chain):
    credentials = chain.store_tls().grpc_credentials()
    with grpc.secure_channel(f"localhost:{served}", credentials) as channel:
        yield channel


@pytest.fixture
def executor(channel):
    executor = tff.framework.RemoteExecutor(tff.framework.RemoteExecutorGrpcStub(channel))
    executor.set_cardinalities({})
    yield executor
    executor.close()


def _data(work, uri=URI):
    return computation_pb2.Computation(data=computation_pb2.Data(uri=uri), type=work.data_type)


async def _call(executor, data, function=sum_times):
    weights = await executor.create_value(WEIGHTS, sum_times.type_signature.parameter[1])
    argument = await executor.create_struct([data, weights])
    return await executor.create_call(await executor.create_value(function), argument)


def _status(call) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        asyncio.run(call)
    return error.value.code(), error.value.details()


def test_the_result_is_that_of_the_work_done_here(executor, work):
    async def drive():
        data = await executor.create_value(_data(work))
        return await (await _call(executor, data)).compute()

    found = asyncio.run(drive())
    broadcast = [WEIGHTS["factor"], WEIGHTS["bias"]]
    expected = make_store(work, Data()).run(WorkRequest("train", 3, 7, broadcast)).outputs
    leaves = [found.inner[0], found.total]
    assert [np.asarray(leaf).tobytes() for leaf in leaves] == [one.tobytes() for one in expected]
    assert found.total.dtype == np.int64


def test_data_may_come_as_tffs_own_descriptor(executor):
    descriptor = tff.framework.CreateDataDescriptor([URI], sum_times.type_signature.parameter[0])

    async def drive():
        data = await descriptor.ingest(executor)
        return await (await _call(executor, data)).compute()

    assert asyncio.run(drive()).total == 60


def test_structs_may_be_streamed(channel, work):
    stub = tff.framework.RemoteExecutorGrpcStub(channel)
    executor = tff.framework.RemoteExecutor(stub, stream_structs=True)
    executor.set_cardinalities({})

    async def drive():
        data = await executor.create_value(_data(work))
        return await (await _call(executor, data)).compute()

    assert asyncio.run(drive()).total == 60
    executor.close()


def test_data_is_not_computed(executor, work):
    denied = grpc.StatusCode.PERMISSION_DENIED

    async def data():
        await (await executor.create_value(_data(work))).compute()

    async def struct():
        value = await executor.create_value(_data(work))
        await (await executor.create_struct([value])).compute()

    async def selection():
        value = await executor.create_value(_data(work))
        struct = await executor.create_struct([value])
        await (await executor.create_selection(struct, 0)).compute()

    for call in (data, struct, selection):
        status, details = _status(call())
        assert (status, details.partition(":")[0]) == (denied, "own_results_only")


def test_another_computation_is_refused(executor, work):
    @tff.tensorflow.computation(tff.SequenceType(np.int64), sum_times.type_signature.parameter[1])
    def first(data, weights):
        return data.reduce(np.int64(0), lambda state, element: element)

    async def drive():
        await _call(executor, await executor.create_value(_data(work)), first)

    status, details = _status(drive())
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert details.startswith("approved_work_only: ")


def test_own_data_of_the_caller_is_refused(executor):
    async def drive():
        dataset = tf.data.Dataset.from_tensor_slices(np.array([1, 2, 3]))
        await executor.create_value(dataset, sum_times.type_signature.parameter[0])

    status, details = _status(drive())
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert details.startswith("own_data_only: ")


def test_a_closed_executor_is_retryable(executor, work):
    async def drive():
        value = await executor.create_value(_data(work))
        other = tff.framework.RemoteExecutor(executor._stub)
        other.set_cardinalities({})
        other._executor_id, gone = executor._executor_id, other._executor_id
        other.close()
        assert gone is not None
        await value.compute()

    with pytest.raises(Exception) as error:  # TFF's own, which its contexts begin anew on
        asyncio.run(drive())
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert type(error.value).__name__ == "RetryableGRPCError"


@pytest.mark.parametrize("client", ["no certificate", "of another authority", "expired"])
def test_who_is_not_certified_is_not_served(served, chain, client):
    credentials = {
        "no certificate": lambda: grpc.ssl_channel_credentials(chain.root),
        "of another authority": lambda: Chain().store_tls(root=chain.root).grpc_credentials(),
        "expired": lambda: chain.store_tls(days=-200).grpc_credentials(),
    }[client]()
    with grpc.secure_channel(f"localhost:{served}", credentials) as channel:
        call = channel.unary_unary("/tensorflow_federated.v0.ExecutorGroup/GetExecutor")
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=10)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_address_that_is_taken_is_one_sentence(served, chain):
    async def start():
        await ExecutorGrpcService(f"localhost:{served}", chain.server_tls(), pytest.fail).start()

    with pytest.raises(ConfigurationError, match="^--listen_address must be free"):
        asyncio.run(start())


def test_words_of_a_mistake_stay(chain):
    """gRPC would tell the client what an unforeseen error says."""

    async def answer(method, request, who):
        raise ValueError("IMG_1.jpg")

    async def asked():
        server = ExecutorGrpcService("localhost:0", chain.server_tls(), answer)
        port = await server.start()
        credentials = chain.store_tls().grpc_credentials()
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            call = channel.unary_unary("/tensorflow_federated.v0.ExecutorGroup/GetExecutor")
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(b"")
        await server.stop()
        return failure.value.code(), failure.value.details()

    assert asyncio.run(asked()) == (grpc.StatusCode.INTERNAL, "unexpected_error")
