import concurrent.futures
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import part_session, round_form, session_pool, simulated_store, store

PROMPT_S = 30


class _Values:
    """The pipeline of `values`, checked to be positive."""

    def input_specs(self):
        return {"values": tf.TensorSpec([None], tf.int64)}

    def build(self, inputs):
        def check(value):
            with tf.control_dependencies([tf.debugging.assert_positive(value, "Not sold here")]):
                return tf.identity(value)

        return tf.data.Dataset.from_tensor_slices(inputs["values"]).map(check)


class _Data:
    def __init__(self, give) -> None:
        self._give = give

    def feeds(self, role, *, seed, round_num):
        return {"values": self._give(role, seed, round_num)}


@pytest.fixture(scope="module")
def work_part():
    """The sum of the data times the broadcast."""

    @tff.tensorflow.computation(tff.SequenceType(np.int64), np.int64)
    def work(data, factor):
        return factor * data.reduce(np.int64(0), lambda state, element: state + element)

    return round_form.compile_part(work)


@pytest.fixture
def make_store(work_part):
    def make(give, pipeline=None) -> simulated_store.SimulatedStore:
        pipeline = pipeline or _Values()
        pool = session_pool.SessionPool(lambda _: part_session.PartSession(work_part, [pipeline]))
        role = simulated_store.Role(pool, lambda outputs: {"total": float(outputs[0])})
        return simulated_store.SimulatedStore("Bern", _Data(give), {"train": role})

    return make


REQUEST = store.WorkRequest("train", 3, 7, [np.array(10)])


def test_it_is_a_store(make_store):
    assert isinstance(make_store(None), store.Store)


def test_it_works_on_its_data_and_reports(make_store):
    asked = []

    def give(*arguments):
        asked.append(arguments)
        return np.array([1, 2, 3])

    result = make_store(give).run(REQUEST)
    assert result.outputs == [60]
    assert result.report == {"total": 60.0}
    assert result.seconds > 0
    assert asked == [("train", 7, 3)]


def _raise(error: Exception):
    def give(*_):
        raise error

    return give


@pytest.mark.parametrize(
    "error, told",
    [
        (
            FileNotFoundError(2, "No such file", "photo.jpg"),
            r"\[Errno 2\] No such file: 'photo.jpg'",
        ),
        (MemoryError(), "MemoryError"),
        (OSError("\nfirst\nsecond"), "first"),
    ],
)
def test_what_it_cannot_read_fails_it_in_one_line(make_store, error, told):
    with pytest.raises(store.StoreFailed, match=f"^Bern: {told}$"):
        make_store(_raise(error)).run(REQUEST)


def test_what_fails_in_the_graph_fails_it_in_one_line(make_store):
    bad = make_store(lambda *_: np.array([1, -1]))
    with pytest.raises(store.StoreFailed, match="^Bern: .*Not sold here") as failure:
        bad.run(REQUEST)
    assert "\n" not in str(failure.value)


def test_a_mistake_in_the_program_is_not_hidden(make_store):
    with pytest.raises(KeyError):
        make_store(_raise(KeyError("values"))).run(REQUEST)


def test_a_role_it_does_not_know_fails_it(make_store):
    request = store.WorkRequest("evaluate", 3, 7, [])
    with pytest.raises(store.StoreFailed, match="^Bern: it knows no role 'evaluate'$"):
        make_store(None).run(request)


def test_closed_sessions_stop_it_before_it_begins(make_store):
    bern = make_store(lambda *_: np.array([1]))
    bern.roles["train"].sessions.close()
    with pytest.raises(store.WorkStopped):
        bern.run(REQUEST)


def test_closed_sessions_stop_it_at_work(make_store):
    has_begun = threading.Event()

    class Endless(_Values):
        def build(self, inputs):
            def tell(value):
                has_begun.set()
                return value

            def told(value):
                return tf.ensure_shape(tf.py_function(tell, [value], tf.int64), [])

            return super().build(inputs).map(told).repeat()

    bern = make_store(lambda *_: np.array([1]), Endless())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(bern.run, REQUEST)
        assert has_begun.wait(PROMPT_S)
        bern.roles["train"].sessions.close()
        with pytest.raises(store.WorkStopped):
            running.result(PROMPT_S)
