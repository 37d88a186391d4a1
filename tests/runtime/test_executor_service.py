"""The eight calls of TFF's executor protocol, in right orders and in wrong ones."""

import contextlib
import dataclasses

import grpc
import numpy as np
import pytest
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import array_pb2, computation_pb2, executor_pb2

from tests.runtime.executor_requests import (
    WEIGHTS,
    Caller,
    Data,
    make_store,
    make_work,
    sum_times,
)
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.executor_limits import ExecutorLimits
from tff_retail.runtime.executor_methods import EXECUTOR_METHODS
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.kept_results import KeptResults
from tff_retail.runtime.round_form import compile_part
from tff_retail.runtime.value_decoding import decode_tree
from tff_retail.runtime.value_encoding import encode_create_value_request
from tff_retail.runtime.value_tree import Struct, leaves_of_tree
from tff_retail.runtime.varint import encode_varint
from tff_retail.runtime.work_desk import WorkDesk

INVALID, DENIED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND, PRECONDITION = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(scope="module")
def work() -> ApprovedWork:
    return make_work()


@pytest.fixture
def data() -> Data:
    return Data()


@pytest.fixture
def desk(work, data, tmp_path):
    kept = KeptResults(tmp_path, max_bytes=10**6, say=pytest.fail)
    yield WorkDesk(
        make_store(work, data),
        kept,
        stop_work=pytest.fail,
        on_done=lambda *_: None,
        on_failed=lambda *_: pytest.fail(),
    )
    kept.close()


@pytest.fixture
def service(desk, work):
    service = ExecutorService(desk)
    service.approve([work])
    return service


@pytest.fixture
def caller(service) -> Caller:
    return Caller(service)


@contextlib.contextmanager
def refused(status: grpc.StatusCode, told: str | None = None):
    with pytest.raises(ExecutorError, match=told) as error:
        yield
    assert error.value.status is status
    assert error.value.code == status.value[0]
    assert str(error.value).isprintable()


def _result(caller: Caller, work: ApprovedWork, uri="store://train?round=3&seed=7"):
    argument = caller.struct(caller.data(uri, work.data_type), caller.tree(WEIGHTS))
    return caller.invoke(caller.work(work.part.computation), argument)


def test_the_result_of_an_approved_work_can_be_computed(caller, work, data):
    value = caller.compute(_result(caller, work))
    tree = decode_tree(value)
    assert [name for name, _ in tree.elements] == ["inner", "total"]
    bias, total = leaves_of_tree(tree)
    np.testing.assert_array_equal(bias, np.array([1.5, 0], np.float32))
    assert total == 60 and total.dtype == np.int64
    assert data.asked == [("train", 7, 3)]
    found, _ = tff.framework.deserialize_value(value, sum_times.type_signature.result)
    assert found.total == 60


def test_without_a_run_it_is_computed_each_time_and_with_one_once(caller, work, data):
    call = _result(caller, work)
    assert caller.compute(call) == caller.compute(call)
    assert len(data.asked) == 2
    kept = _result(caller, work, "store://train?run=first&round=4&seed=7")
    again = _result(caller, work, "store://train?run=first&round=4&seed=7")
    assert caller.compute(kept) == caller.compute(again)
    assert len(data.asked) == 3
    caller.compute(_result(caller, work, "store://train?run=first&round=5&seed=7"))
    caller.compute(_result(caller, work, "store://train?run=second&round=4&seed=7"))
    caller.compute(_result(caller, work, "store://train?run=first&round=4&seed=8"))
    assert len(data.asked) == 6


def test_a_work_may_be_named_by_its_digest(caller, work):
    function = caller.data(f"work://{work.part.digest}")
    call = caller.invoke(
        function, caller.struct(caller.data("store://train"), caller.tree(WEIGHTS))
    )
    assert list(leaves_of_tree(decode_tree(caller.compute(call))))[1] == 60


def test_roles_of_one_graph_are_told_apart_by_their_data(work, data, tmp_path):
    store = make_store(work, data)
    store = dataclasses.replace(store, roles={**store.roles, "evaluate": store.roles["train"]})
    kept = KeptResults(tmp_path, max_bytes=10**6, say=pytest.fail)
    desk = WorkDesk(
        store, kept, stop_work=pytest.fail, on_done=lambda *_: None, on_failed=pytest.fail
    )
    service = ExecutorService(desk)
    service.approve([work, ApprovedWork("evaluate", "validation", work.part)])
    caller = Caller(service)
    for split in ("validation", "train"):
        caller.compute(_result(caller, work, f"store://{split}?run=first&round=3&seed=7"))
    assert data.asked == [("evaluate", 7, 3), ("train", 7, 3)]
    kept.close()
    with pytest.raises(ValueError, match="must differ in data, found 'second'"):
        service.approve([work, ApprovedWork("second", "train", work.part)])


def test_another_compilation_of_an_approved_work_is_approved(caller, work):
    proto = tff.framework.serialize_computation(sum_times)
    assert proto.SerializeToString() != work.part.computation
    function = caller.create(executor_pb2.Value(computation=proto))
    call = caller.invoke(
        function, caller.struct(caller.data("store://train"), caller.tree(WEIGHTS))
    )
    assert list(leaves_of_tree(decode_tree(caller.compute(call))))[1] == 60


def test_parts_of_a_result_can_be_selected(caller, work):
    call = _result(caller, work)
    assert decode_tree(caller.compute(caller.select(call, 1))) == 60
    inner = caller.select(call, 0)
    bias = decode_tree(caller.compute(caller.select(inner, 0)))
    np.testing.assert_array_equal(bias, np.array([1.5, 0], np.float32))
    for wrong in (-1, 2):
        with refused(INVALID, r"must be in \[0, 2\)"):
            caller.select(call, wrong)
    with refused(INVALID, "must be a struct"):
        caller.select(caller.select(call, 1), 0)


def test_structs_may_be_taken_apart_again(caller, work):
    weights = caller.tree(WEIGHTS)
    again = caller.struct(caller.select(weights, 0), caller.select(weights, 1))
    argument = caller.struct(caller.data("store://train"), again)
    call = caller.invoke(caller.work(work.part.computation), argument)
    assert list(leaves_of_tree(decode_tree(caller.compute(call))))[1] == 60
    with refused(INVALID, "must be in"):
        caller.select(weights, 2)


def test_a_selection_keeps_no_more_alive_than_it_counts(service, caller):
    large = caller.tree(Struct((("", np.zeros(100_000)), ("", np.zeros(1000)))))
    reference = caller.select(large, 1)
    value = service._table.get(caller.executor.id, reference.id)
    assert value.num_bytes == 8000 and value.array.base is None


def test_one_clients_federated_data_is_its_data(caller, work):
    inner = executor_pb2.Value(
        computation=computation_pb2.Computation(data=computation_pb2.Data(uri="store://train"))
    )
    federated = executor_pb2.Value.Federated(value=[inner])
    data = caller.create(executor_pb2.Value(federated=federated))
    call = caller.invoke(
        caller.work(work.part.computation), caller.struct(data, caller.tree(WEIGHTS))
    )
    assert list(leaves_of_tree(decode_tree(caller.compute(call))))[1] == 60
    federated.value.append(inner)
    with refused(INVALID, "one client's federated value"):
        caller.create(executor_pb2.Value(federated=federated))


def test_nothing_but_results_can_be_computed(caller, work):
    data, weights = caller.data("store://train"), caller.tree(WEIGHTS)
    call = _result(caller, work)
    for reference in (
        data,
        weights,
        caller.select(weights, 0),
        caller.work(work.part.computation),
        caller.struct(data),
        caller.select(caller.struct(data), 0),
        caller.struct(call),
        caller.struct(call, data),
    ):
        with refused(DENIED, "^own_results_only: only the result of an approved computation"):
            caller.compute(reference)
    with refused(DENIED, "^own_results_only: nothing is selected from a store's examples"):
        caller.select(data, 0)


def test_no_other_computation_runs(caller, work):
    @tff.tensorflow.computation(tff.SequenceType(np.int64))
    def identity(data):
        return data.batch(1000).take(1).reduce(np.int64(0), lambda state, batch: batch[0])

    with refused(DENIED, "^approved_work_only: the computation [0-9a-f]{16} is not approved"):
        caller.work(compile_part(identity).computation)
    with refused(DENIED, "^approved_work_only: "):
        caller.data("work://" + "0" * 64)
    changed = computation_pb2.Computation.FromString(work.part.computation)
    changed.type.function.result.struct.element[0].name = "renamed"
    with refused(DENIED, "^approved_work_only: "):
        caller.create(executor_pb2.Value(computation=changed))
    proto = computation_pb2.Computation()
    getattr(proto, "lambda").parameter_name = "x"
    with refused(DENIED, "runs no computation of the kind lambda"):
        caller.create(executor_pb2.Value(computation=proto))
    broken = computation_pb2.Computation()
    broken.tensorflow.graph_def.value = b"\xff\xff"
    with refused(INVALID, "a graph that can be read"):
        caller.create(executor_pb2.Value(computation=broken))


def test_what_is_not_approved_any_more_does_not_run(service, caller, work):
    service.approve([])
    with refused(DENIED, "^approved_work_only"):
        caller.work(work.part.computation)


def test_work_is_done_on_the_stores_own_data_alone(caller, work):
    function, weights = caller.work(work.part.computation), caller.tree(WEIGHTS)
    with refused(DENIED, "^own_data_only: a store works on its own data and on no other"):
        caller.create(executor_pb2.Value(sequence=executor_pb2.Value.Sequence()))
    with refused(DENIED, "^own_data_only: a store works on its own data"):
        caller.invoke(function, caller.struct(weights, caller.tree(np.array(1))))
    with refused(DENIED, "^own_data_only: 'train' works on store://train and on no other"):
        caller.invoke(function, caller.struct(caller.data("store://validation"), weights))
    with refused(DENIED, "^own_data_only: the result of a call is no argument of another"):
        total = caller.select(_result(caller, work), 1)
        bias = caller.tree(np.zeros(2, np.float32))
        caller.invoke(function, caller.struct(caller.data("store://train"), total, bias))


def test_an_argument_must_be_what_the_graph_takes(caller, work):
    function = caller.work(work.part.computation)
    data = caller.data("store://train")
    good = [np.array(10), np.zeros(2, np.float32)]
    for wrong, told in (
        ([np.array(10)], "must have 3 leaves, found 2"),
        ([*good, np.array(1)], "must have 3 leaves, found 4"),
        ([np.array(10, np.int32), good[1]], r"must be int64\[\], found int32\[\]"),
        ([good[0], np.zeros(3, np.float32)], r"must be float32\[2\], found float32\[3\]"),
        ([good[0], np.zeros([2, 1], np.float32)], r"must be float32\[2\], found float32\[2, 1\]"),
    ):
        with refused(INVALID, told):
            tree = Struct(tuple(("", each) for each in wrong))
            caller.invoke(function, caller.struct(data, caller.tree(tree)))
    with refused(INVALID, "must be an array"):
        caller.invoke(function, caller.struct(data, data, data))
    with refused(INVALID, "must be called with an argument"):
        caller.invoke(function)
    with refused(INVALID, "what is called must be a computation"):
        caller.invoke(data, caller.tree(WEIGHTS))
    with refused(INVALID, "must have the type that its graph takes"):
        other = tff.types.serialize_type(tff.SequenceType(np.float32))
        caller.invoke(
            function, caller.struct(caller.data("store://train", other), caller.tree(WEIGHTS))
        )
    with refused(INVALID, "what is selected from must be a struct"):
        caller.select(function, 0)


def test_malformed_requests_are_refused(service, caller):
    for method in EXECUTOR_METHODS:
        with refused(INVALID, "must be of its protocol buffer"):
            service.handle(method, b"\xff\xff\xff", caller=1)
    with refused(grpc.StatusCode.UNIMPLEMENTED, "unknown_method"):
        service.handle("Execute", b"", caller=1)
    with refused(INVALID, "a value must be an array"):
        caller.create(executor_pb2.Value())
    with refused(INVALID, "data must be named"):
        caller.data("file:///etc/passwd")
    with refused(INVALID, "a store is one client, found a cardinality of 5"):
        cardinality = executor_pb2.Cardinality(cardinality=5)
        cardinality.placement.uri = "clients"
        caller.call("GetExecutor", executor_pb2.GetExecutorResponse, cardinalities=[cardinality])


def test_references_must_be_alive(service, caller, work):
    unknown = executor_pb2.ValueRef(id="17")
    weights = caller.tree(WEIGHTS)
    for use in (
        lambda: caller.compute(unknown),
        lambda: caller.select(unknown, 0),
        lambda: caller.struct(weights, unknown),
        lambda: caller.invoke(unknown, weights),
        lambda: caller.invoke(caller.work(work.part.computation), unknown),
        lambda: caller.dispose(weights, unknown),
        lambda: caller.compute(executor_pb2.ValueRef()),
    ):
        with refused(NOT_FOUND, "^unknown_value: there is no value"):
            use()
    caller.dispose(weights)  # the disposal above left it where it was
    with refused(NOT_FOUND):
        caller.dispose(weights)
    other = Caller(service)
    with refused(NOT_FOUND):
        other.compute(_result(caller, work))


def test_executors_must_be_alive(service, caller, work):
    call = _result(caller, work)
    caller.dispose_executor()
    for use in (
        lambda: caller.compute(call),
        lambda: caller.tree(WEIGHTS),
        lambda: caller.struct(),
        lambda: caller.dispose(call),
        caller.dispose_executor,
    ):
        with refused(PRECONDITION, "^unknown_executor: "):
            use()
    caller.executor.Clear()
    with refused(INVALID, "must name its executor"):
        caller.compute(call)


def test_callers_hold_no_more_than_the_limits(service, caller, work):
    limits = ExecutorLimits(max_request_bytes=50_000, max_values=3, max_value_bytes=60_000)
    service.approve([work], limits)
    with refused(EXHAUSTED, "a request may have 50000 bytes, found 800"):
        caller.tree(np.zeros(10_000))
    kept = caller.tree(np.zeros(5_000))
    with refused(EXHAUSTED, "may take 60000 bytes"):
        caller.struct(kept)
    caller.data("store://train")
    last = caller.data("store://train")
    with refused(EXHAUSTED, "3 values at most"):
        Caller(service).data("store://train")
    caller.dispose(last)
    caller.data("store://train")


def test_executors_that_were_left_make_room(service, work):
    service.approve([work], ExecutorLimits(max_executors=2, max_value_bytes=60_000))
    first, second = Caller(service), Caller(service)
    kept = first.tree(np.zeros(5_000))
    second.data("store://train")
    first.tree(np.zeros(10))
    third = Caller(service)
    with refused(PRECONDITION):  # used least lately
        second.data("store://train")
    third.tree(np.zeros(5_000))
    with refused(PRECONDITION):
        first.select(kept, 0)


def test_the_limits_are_those_that_the_works_need(service, work):
    limits = ExecutorLimits.for_works([work])  # the broadcast is of 8 and 8 bytes
    assert limits.max_request_bytes == 2 * 16 + 64 * 2**20
    assert limits.max_value_bytes == 8 * 16 + 64 * 2**20


def test_structs_of_one_struct_again_and_again_are_refused(caller):
    struct = caller.struct(*[caller.data("store://train")] * 2)
    with refused(EXHAUSTED, "a struct may hold 10000 values"):
        for _ in range(40):
            struct = caller.struct(struct, struct)
    deep = caller.data("store://train")
    with refused(INVALID, "nested 32 deep at most"):
        for _ in range(40):
            deep = caller.struct(deep)
    value = executor_pb2.Value()
    for _ in range(20_000):
        value.struct.element.add()
    with refused(EXHAUSTED, "found 20000"):
        caller.create(value)


def test_structs_of_nothing_count(caller):
    many = caller.struct(*[caller.struct()] * 5_000)
    with refused(EXHAUSTED, "a struct may hold 10000 values"):
        caller.struct(many, many, many)


def test_numbers_that_no_array_takes_are_refused(caller):
    """They would be the next array's."""
    good = b"".join(encode_create_value_request(np.int32(1), caller.executor.id))
    array = executor_pb2.CreateValueRequest.FromString(good).value.array
    assert array.WhichOneof("kind") == "int32_list"
    array = array_pb2.Array(content=bytes(5000)).SerializeToString() + array.SerializeToString()
    field = b"\x32" + encode_varint(len(array)) + array
    request = executor_pb2.CreateValueRequest(executor=caller.executor).SerializeToString()
    request += b"\x0a" + encode_varint(len(field)) + field
    with refused(INVALID, "the numbers of its arrays and no others"):
        caller.send("CreateValue", request, executor_pb2.CreateValueResponse)


@pytest.mark.parametrize("method", ["CreateStruct", "CreateValue"])
def test_a_request_that_swells_when_it_is_parsed_is_refused(service, method):
    request = getattr(executor_pb2, f"{method}Request")()
    struct = request if method == "CreateStruct" else request.value.struct
    struct.element.extend([type(struct.element.add())()] * 200_000)
    with refused(INVALID, f"a {method} request must be of its protocol buffer"):
        service.handle(method, request.SerializeToString(), caller=1)


def test_a_graph_that_swells_when_it_is_parsed_is_refused(caller, work):
    computation = computation_pb2.Computation.FromString(work.part.computation)
    computation.tensorflow.graph_def.value = b"\x0a\x00" * 2_100_000
    with refused(INVALID, "must hold a graph that can be read"):
        caller.work(computation.SerializeToString())
