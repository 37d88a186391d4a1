"""A store asked over its link does what it would do here, and its failures are its own."""

import asyncio
import time
import weakref

import grpc
import numpy as np
import pytest
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import computation_pb2

from tests.runtime.fake_fleet import FakeFleet, FakeLink, ScaledSumStore, compile_scaled_sum
from tff_retail.runtime.data_uri import DataName, work_uri
from tff_retail.runtime.link_executor_stub import LinkCallError, LinkExecutorStub
from tff_retail.runtime.store import StoreFailed, WorkRequest
from tff_retail.transport.link_faults import CallFailed, LinkLost

REQUEST = WorkRequest("train", 3, 7, [np.array(2.0, np.float32)])
ONE_WORK = ["CreateValue", "CreateValue", "CreateStruct", "CreateCall", "Compute"]


@pytest.fixture(scope="module")
def form():
    return compile_scaled_sum()


@pytest.fixture
def fleet(form, tmp_path):
    with FakeFleet(form, tmp_path, rejoin_wait_s=30) as fleet:
        yield fleet


def _link(fleet, store=None, before=None):
    store = store or ScaledSumStore("north", np.float32(1.5))
    return FakeLink(store.name, fleet.service(store), before)


def test_what_the_store_computes_comes_back(fleet):
    link = fleet.connect(_link(fleet))
    result = fleet.store("north").run(REQUEST)
    (output,) = result.outputs
    assert (output.dtype, output.shape, output.item()) == (np.float32, (), 3.0)
    assert link.methods[:7] == ["GetExecutor", "CreateValue", *ONE_WORK]


def test_the_executor_and_the_work_are_made_once_a_connection(fleet):
    link = fleet.connect(_link(fleet))
    store = fleet.store("north")
    for round_num in (1, 2):
        store.run(WorkRequest("train", round_num, 7, [np.array(2.0, np.float32)]))
    asked = [method for method in link.methods if method != "Dispose"]
    assert asked == ["GetExecutor", "CreateValue", *ONE_WORK, *ONE_WORK]
    named = [b"".join(body) for body in link.bodies]
    assert sum(b"work://" in body for body in named) == 1
    assert [b"round=1" in body for body in named if b"store://" in body] == [True, False]


def test_the_store_may_forget_what_was_made(fleet):
    link = fleet.connect(_link(fleet))
    store = fleet.store("north")
    store.run(REQUEST)

    async def settle():
        while store._tidying:
            await asyncio.wait(store._tidying)

    fleet.submit(settle()).result()
    assert link.methods[-1] == "Dispose"


def test_a_store_that_is_not_there_has_failed(fleet):
    with pytest.raises(StoreFailed, match="^north: it is not connected$"):
        fleet.store("north").run(REQUEST)


def test_a_role_that_no_store_knows_is_a_failure(fleet):
    with pytest.raises(StoreFailed, match="^north: it knows no role 'spy'$"):
        fleet.store("north").run(WorkRequest("spy", 3, 7, []))


def test_a_lost_connection_is_waited_for_and_the_work_is_not_done_twice(fleet):
    own = ScaledSumStore("north", np.float32(1.5))
    service = fleet.service(own)
    second = FakeLink("north", service)

    async def lose_it(method):
        if method == "Compute":
            request = await asyncio.to_thread(b"".join, first.bodies[-1])
            await asyncio.to_thread(service.handle, method, request, caller=1)
            fleet.connected.remove(first)
            asyncio.get_running_loop().call_soon(fleet.connected.add, second)
            raise LinkLost("cut")

    first = fleet.connect(FakeLink("north", service, lose_it))
    (output,) = fleet.store("north").run(REQUEST).outputs
    assert (output.item(), own.num_runs) == (3.0, 1)
    assert "Compute" in second.methods


def test_a_store_that_rests_is_waited_for(fleet):
    link, store = fleet.connect(_link(fleet)), fleet.store("north")

    def wake():
        link.manifest = "agreed"
        fleet.connected.look_again()

    async def ask():
        link.manifest = ""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, wake)
        async with store.answer(store.question(REQUEST)) as answer:
            return len(answer)

    assert fleet.submit(ask()).result() > 0


def test_a_store_that_was_revoked_in_mid_work_is_not_waited_for(fleet):
    async def lose_it(method):
        raise LinkLost("refused")

    fleet.connect(_link(fleet, before=lose_it))
    began_s = time.monotonic()
    with pytest.raises(StoreFailed, match="^north: its connection was lost$"):
        fleet.store("north", is_member=False).run(REQUEST)
    assert time.monotonic() - began_s < 20  # the fleet waits 30 s for its members


def test_a_lost_connection_that_does_not_come_back_is_a_failure(form, tmp_path):
    async def lose_it(method):
        raise LinkLost("cut")

    with FakeFleet(form, tmp_path, rejoin_wait_s=0.0) as fleet:
        fleet.connect(_link(fleet, before=lose_it))
        with pytest.raises(StoreFailed, match="^north: its connection was lost$"):
            fleet.store("north").run(REQUEST)


@pytest.mark.parametrize(
    "status, num_computed", [(grpc.StatusCode.UNAVAILABLE, 2), (grpc.StatusCode.INTERNAL, 1)]
)
def test_an_executor_that_is_gone_is_asked_for_once_more(fleet, status, num_computed):
    revived = []

    async def revive(link):
        revived.append(link)

    async def fail(method):
        if method == "Compute":
            raise CallFailed(status.value[0], "gone: the executor was started anew")

    link = fleet.connect(_link(fleet, before=fail))
    with pytest.raises(StoreFailed, match="^north: gone: the executor was started anew$"):
        fleet.store("north", revive=revive).run(REQUEST)
    assert len(revived) == num_computed - 1
    assert link.methods.count("Compute") == num_computed
    assert link.methods.count("GetExecutor") == num_computed


def test_the_name_of_a_rule_is_explained(fleet):
    """A store tells no more; the sentence is headquarters' own."""

    async def refuse(method):
        if method == "Compute":
            raise CallFailed(grpc.StatusCode.PERMISSION_DENIED.value[0], "rounds_per_day")

    fleet.connect(_link(fleet, before=refuse))
    told = "^north: rounds_per_day: the store has answered as many rounds as its policy allows"
    with pytest.raises(StoreFailed, match=told):
        fleet.store("north").run(REQUEST)


class _Answering:
    """Answers `Compute` with other bytes than it should."""

    def __init__(self, service, answer):
        self._service, self._answer = service, answer

    def handle(self, method, request, *, caller):
        if method == "Compute":
            return [self._answer]
        return self._service.handle(method, request, caller=caller)


@pytest.mark.parametrize("answer", [b"", b"\xff" * 20, b"\x0a\x00"])
def test_an_answer_that_is_none_is_the_stores_failure(fleet, answer):
    service = fleet.service(ScaledSumStore("north", np.float32(1.5)))
    fleet.connect(FakeLink("north", _Answering(service, answer)))
    with pytest.raises(StoreFailed, match="^north: its result must be") as failure:
        fleet.store("north").run(REQUEST)
    assert failure.value.code == "wrong_form"


def test_tffs_own_remote_executor_drives_a_store_over_its_link(form, fleet):
    link = _link(fleet)
    stub = LinkExecutorStub(link, fleet.submit)
    assert stub.is_ready
    executor = tff.framework.RemoteExecutor(stub)
    executor.set_cardinalities({})
    work = tff.framework.deserialize_computation(_proto(form["work"]))
    data_type, _ = work.type_signature.parameter
    name = DataName("train", "run", 3, 7).uri()

    async def compute():
        function = await executor.create_value(_proto(form["work"]), work.type_signature)
        data = await executor.create_value(*_data(name, form, data_type))
        scale = await executor.create_value(np.float32(2.0), tff.TensorType(np.float32))
        argument = await executor.create_struct([data, scale])
        call = await executor.create_call(function, argument)
        return await call.compute(), data

    result, data = asyncio.run(compute())
    assert tff.structure.flatten(result) == [3.0]
    with pytest.raises(LinkCallError, match="PERMISSION_DENIED: own_results_only"):
        asyncio.run(data.compute())


def _proto(part):
    return computation_pb2.Computation.FromString(part.computation)


def _data(uri, form, type_spec):
    proto = computation_pb2.Computation(data=computation_pb2.Data(uri=uri))
    proto.type.CopyFrom(_proto(form["work"]).type.function.parameter.struct.element[0].value)
    return proto, type_spec


def test_a_call_over_a_lost_link_is_unavailable(fleet):
    async def lose_it(method):
        raise LinkLost("cut")

    stub = LinkExecutorStub(_link(fleet, before=lose_it), fleet.submit)
    executor = tff.framework.RemoteExecutor(stub)
    with pytest.raises(LinkCallError) as error:
        executor.set_cardinalities({})
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.UNAVAILABLE, "cut")


def test_an_approved_work_is_named_by_its_digest(form, fleet):
    question = fleet.questions["train"].question(REQUEST)
    assert work_uri(form["work"].digest).encode() in question.work
    assert fleet.questions["train"].question(REQUEST) is question
    broadcast = weakref.ref(question)
    del question
    assert broadcast() is None  # what nobody asks any more takes no memory
