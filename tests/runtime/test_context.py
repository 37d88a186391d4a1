import collections
import concurrent.futures
import threading

import numpy as np
import psutil
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import (
    context,
    dataset_graph,
    part_session,
    round_form,
    session_pool,
    simulated_store,
    store,
    store_in_round,
)

PROMPT_S = 30
STATE = tff.FederatedType(np.int32, tff.SERVER)
DATA = tff.FederatedType(tff.SequenceType(np.int64), tff.CLIENTS)


@tff.tensorflow.computation(tff.SequenceType(np.int64), np.int32)
def _work(data, state):
    return tf.cast(state, tf.int64) * data.reduce(np.int64(0), lambda total, number: total + number)


@tff.tensorflow.computation(np.int32)
def _next_state(state):
    return state + 1


@tff.federated_computation(STATE, DATA)
def _sum_next(state, data):
    """The sum of all data times the state; the state counts up."""
    work = tff.federated_map(_work, (data, tff.federated_broadcast(state)))
    return tff.federated_map(_next_state, state), tff.federated_sum(work)


def _process(model, **arguments):
    return tff.learning.algorithms.build_weighted_fed_avg(
        model,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        **arguments,
    )


def _trained(process, state, stores, rounds=2):
    for _ in range(rounds):
        state, metrics = process.next(state, stores)
    return process.get_model_weights(state), metrics


def _assert_equal(one, other, **tolerance):
    for left, right in zip(one.trainable, other.trainable, strict=True):
        np.testing.assert_allclose(left, right, **tolerance)


@pytest.mark.usefixtures("in_process")
def test_plain_computations_run():
    @tff.tensorflow.computation(np.float32, tff.SequenceType(np.int64))
    def scaled(factor, data):
        total = data.reduce(np.int64(0), lambda state, number: state + number)
        return collections.OrderedDict(total=factor * tf.cast(total, tf.float32), factor=factor)

    result = scaled(0.5, tf.data.Dataset.range(4))
    assert result == collections.OrderedDict(total=3.0, factor=0.5)
    assert scaled(data=tf.data.Dataset.range(2), factor=tf.constant(2.0))["total"] == 2.0


@pytest.mark.usefixtures("in_process")
def test_strings_and_containers_come_back_as_their_types_say():
    pair = collections.namedtuple("Pair", ["name", "number"])

    @tff.tensorflow.computation(pair(np.str_, np.int32))
    def swap(value):
        return [value.number, value.name]

    assert swap(pair("西安", 3)) == [3, "西安".encode()]


@pytest.mark.usefixtures("in_process")
def test_a_value_at_the_server_needs_no_argument():
    @tff.federated_computation
    def value():
        return tff.federated_value((1, 2.5), tff.SERVER)

    assert value() == (1, 2.5)


@pytest.mark.usefixtures("in_process")
def test_a_round_goes_over_data_sets():
    stores = [tf.data.Dataset.range(size) for size in (2, 3, 4)]
    assert _sum_next(2, stores) == (3, 2 * (1 + 3 + 6))
    assert _sum_next(2, stores[:1]) == (3, 2)
    assert _sum_next(2, []) == (3, 0)


@pytest.mark.usefixtures("in_process")
def test_a_learning_process_runs_unchanged(linear_model, store_datasets):
    process = _process(linear_model)
    state = process.initialize()
    output = process.next(state, store_datasets)
    assert isinstance(output, tff.learning.templates.LearningProcessOutput)
    assert isinstance(output.state, tff.learning.templates.LearningAlgorithmState)
    assert output.metrics["client_work"]["train"]["num_examples"] == 9
    weights = process.get_model_weights(output.state)
    assert isinstance(weights, tff.learning.models.ModelWeights)
    assert np.abs(weights.trainable[0]).max() > 0
    changed = process.set_model_weights(state, weights)
    _assert_equal(process.get_model_weights(changed), weights)
    again = process.next(state, store_datasets)
    _assert_equal(process.get_model_weights(again.state), weights)
    names = {child.name() for child in psutil.Process().children(recursive=True)}
    assert "worker_binary" not in names


@pytest.mark.usefixtures("in_process")
def test_what_is_summed_securely_comes_to_the_same(keras_model_fn, store_datasets):
    secure = _process(
        keras_model_fn,
        model_aggregator=tff.learning.secure_aggregator(weighted=True, clipping=False),
        metrics_aggregator=tff.learning.metrics.secure_sum_then_finalize,
    )
    plain = _process(keras_model_fn)
    expected, _ = _trained(plain, plain.initialize(), store_datasets)
    found, metrics = _trained(secure, secure.initialize(), store_datasets)
    # Sent as integers: of 32 bits, over a range that begins wide.
    _assert_equal(found, expected, rtol=1e-4, atol=1e-5)
    assert metrics["client_work"]["train"]["num_examples"] == 9


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "name", ["dp", "compression", "robust", "fed_prox", "mime_lite", "fed_sgd"]
)
def test_processes_of_every_kind_run(linear_model, store_datasets, name):
    # An unweighted process where the aggregator wants one.
    algorithms = tff.learning.algorithms
    sgd = tff.learning.optimizers.build_sgdm(0.1)
    built = {
        "dp": lambda: algorithms.build_unweighted_fed_avg(
            linear_model,
            client_optimizer_fn=sgd,
            model_aggregator=tff.learning.dp_aggregator(1e-6, 3, zeroing=False),
        ),
        "compression": lambda: _process(
            linear_model, model_aggregator=tff.learning.compression_aggregator(weighted=True)
        ),
        "robust": lambda: _process(
            linear_model, model_aggregator=tff.learning.robust_aggregator(weighted=True)
        ),
        "fed_prox": lambda: algorithms.build_weighted_fed_prox(
            linear_model, proximal_strength=0.1, client_optimizer_fn=sgd
        ),
        "mime_lite": lambda: algorithms.build_weighted_mime_lite(linear_model, base_optimizer=sgd),
        "fed_sgd": lambda: algorithms.build_fed_sgd(linear_model, server_optimizer_fn=sgd),
    }[name]()
    weights, _ = _trained(built, built.initialize(), store_datasets)
    assert all(np.isfinite(leaf).all() for leaf in weights.trainable)
    assert np.abs(weights.trainable[0]).max() > 0


def _simulated(name, numbers, form, role="train", seeds=None):
    """A store of ours with the data `range(numbers)`."""
    pipeline = dataset_graph.DatasetGraph(DATA.member)

    class Data:
        def feeds(self, role, *, seed, round_num):
            if seeds is not None:
                seeds.append((role, seed, round_num))
            dataset = tf.data.Dataset.range(numbers)
            return dataset_graph.serialize_dataset(dataset, DATA.member)

    pool = session_pool.SessionPool(lambda _: part_session.PartSession(form["work"], [pipeline]))
    roles = {role: simulated_store.Role(pool, lambda outputs: {})}
    return simulated_store.SimulatedStore(name, Data(), roles)


@pytest.fixture(scope="module")
def sum_form(compile_next):
    return compile_next(_sum_next)


def _installed(**arguments):
    return tff.framework.get_context_stack().install(context.RoundFormContext(**arguments))


def test_a_round_goes_over_stores_of_ours(sum_form):
    seeds = []
    stores = [_simulated(str(size), size, sum_form, seeds=seeds) for size in (2, 3, 4)]
    with _installed(seed=7):
        assert _sum_next(2, stores) == (3, 20)
        assert _sum_next(3, [stores[0], tf.data.Dataset.range(4)]) == (4, 21)
    assert seeds == [("train", 7, 1)] * 3 + [("train", 7, 2)]


def test_a_round_asks_for_the_role_of_its_graph(sum_form):
    seeds = []
    bern = _simulated("Bern", 4, sum_form, role="count", seeds=seeds)
    with _installed(roles={sum_form["work"].digest: "count"}):
        assert _sum_next(1, [bern]) == (2, 6)
    with _installed(), pytest.raises(store.StoreFailed, match="Bern: it knows no role 'train'"):
        _sum_next(1, [bern])
    assert seeds == [("count", 0, 1)]


def test_a_store_may_be_named_for_a_round(sum_form):
    seeds = []
    stores = {
        "Bern": _simulated("Bern", 4, sum_form, seeds=seeds),
        "Zürich": tf.data.Dataset.range(3),
    }
    with _installed(stores=stores):
        turns = [store_in_round.StoreInRound(name, 12) for name in stores]
        assert _sum_next(1, turns) == (2, 9)
        with pytest.raises(TypeError, match="found no 'Genf'"):
            _sum_next(1, [store_in_round.StoreInRound("Genf", 12)])
    assert seeds == [("train", 0, 12)]


def test_the_model_is_the_same_to_the_bit_however_many_side_by_side(linear_model, store_datasets):
    process = _process(linear_model)
    found = []
    for parallel_stores in (1, 3):
        with _installed(parallel_stores=parallel_stores):
            weights, _ = _trained(process, process.initialize(), store_datasets)
        found.append([leaf.tobytes() for leaf in weights.trainable])
    assert found[0] == found[1]


def test_one_computation_may_be_invoked_from_several_threads():
    running, together = context.RoundFormContext(), threading.Barrier(4)

    def rounds(number: int) -> list[int]:
        together.wait()
        arg = tff.structure.Struct.unnamed(number, [tf.data.Dataset.range(4)] * 2)
        return [int(running.invoke(_sum_next, arg)[1]) for _ in range(5)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(rounds, range(4))) == [[12 * number] * 5 for number in range(4)]


class _Stopping:
    name = "Bern"

    def __init__(self, has_begun: threading.Event) -> None:
        self._has_begun = has_begun

    def run(self, request):
        assert self._has_begun.wait(PROMPT_S)
        raise KeyboardInterrupt


def test_an_interrupt_ends_the_work_of_the_other_stores():
    has_begun = threading.Event()

    def tell(number):
        has_begun.set()
        return number

    spec = tf.TensorSpec([], tf.int64)
    endless = tf.data.Dataset.range(1).repeat()
    endless = endless.map(lambda n: tf.ensure_shape(tf.py_function(tell, [n], spec.dtype), []))
    # Contexts of earlier tests may still be waiting for the garbage collector, threads and all.
    before = set(threading.enumerate())
    with _installed(parallel_stores=2):
        with pytest.raises(KeyboardInterrupt):
            _sum_next(1, [endless, _Stopping(has_begun)])
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("store"):
                thread.join(PROMPT_S)
                assert not thread.is_alive()
        assert _sum_next(1, [tf.data.Dataset.range(4)]) == (2, 6)


def _clients_only():
    @tff.federated_computation(DATA)
    def computation(data):
        return tff.federated_sum(tff.federated_map(_size, data))

    return computation, ([tf.data.Dataset.range(3)],)


@tff.tensorflow.computation(tff.SequenceType(np.int64))
def _size(data):
    return data.reduce(0, lambda state, _: state + 1)


def _two_exchanges():
    @tff.federated_computation(STATE, DATA)
    def computation(state, data):
        total = tff.federated_broadcast(tff.federated_sum(tff.federated_map(_size, data)))
        return state, tff.federated_sum(total)

    return computation, (1, [tf.data.Dataset.range(3)])


def _at_the_clients():
    @tff.federated_computation
    def computation():
        return tff.federated_value(1, tff.CLIENTS)

    return computation, ()


def _gives_a_data_set():
    @tff.tensorflow.computation(np.int64)
    def computation(size):
        return tf.data.Dataset.range(size)

    return computation, (3,)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "make, reason",
    [
        (_clients_only, r"A round must take a state at the server and data at the clients\."),
        (_two_exchanges, "A round must .* reach each store once, found otherwise: "),
        (_at_the_clients, r"What needs no argument must give one value at the server\."),
        (_gives_a_data_set, r"A result must be of tensors, found a data set\."),
    ],
)
def test_what_can_not_run_is_said_in_a_sentence(make, reason):
    computation, arguments = make()
    with pytest.raises(TypeError, match=f"^This context runs .*, found .*\\. {reason}") as error:
        computation(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("in_process")
def test_data_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"must be int64\*, found int32\*"):
        _sum_next(1, [tf.data.Dataset.from_tensor_slices(np.array([1], np.int32))])
    with pytest.raises(TypeError, match="must be a tf.data.Dataset"):
        _sum_next(1, [7])


def test_a_store_that_failed_ends_the_round(sum_form):
    bern = _simulated("Bern", 4, sum_form, role="count")
    with _installed(), pytest.raises(store.StoreFailed, match="Bern"):
        _sum_next(1, [tf.data.Dataset.range(4), bern])


def test_the_form_is_compiled_once(monkeypatch):
    compiled = []
    compile_round_form = round_form.compile_round_form

    def count(*arguments):
        compiled.append(arguments)
        return compile_round_form(*arguments)

    monkeypatch.setattr(context, "compile_round_form", count)
    with _installed():
        for _ in range(3):
            _sum_next(1, [tf.data.Dataset.range(4)])
    assert len(compiled) == 1
