import concurrent.futures
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime import graph_part, part_session, round_form, store

# Longer than any test: only a closed session ends it.
ENDLESS = 10**15
# A fast cancellation takes milliseconds; a machine under load, a second.
PROMPT_S = 30


@pytest.fixture(scope="module")
def counting_part():
    """Adds up `step` in a variable, `count` times, each time through the variable."""

    @tff.tensorflow.computation(np.int64, np.int64)
    def count_up(step, count):
        total = tf.Variable(np.int64(0))

        def body(position):
            with tf.control_dependencies([total.assign_add(step)]):
                return position + 1

        end = tf.while_loop(lambda position: position < count, body, [np.int64(0)])
        with tf.control_dependencies(end):
            return total.read_value()

    return round_form.compile_part(count_up)


@pytest.fixture(scope="module")
def sequence_part():
    """The sum of each of two data sets, the second with a factor."""

    @tff.tensorflow.computation(tff.SequenceType(np.int64), tff.SequenceType(np.int64), np.int64)
    def sums(first, second, factor):
        def total(dataset):
            return dataset.reduce(np.int64(0), lambda state, element: state + element)

        return total(first), total(second) * factor

    return round_form.compile_part(sums)


class _Range:
    """Numbers below `count`, shifted."""

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def input_specs(self):
        return {"count": tf.TensorSpec([], tf.int64)}

    def build(self, inputs):
        return tf.data.Dataset.range(inputs["count"]).map(lambda number: number + self._shift)


def test_every_call_begins_with_variables_as_they_were_first(counting_part):
    session = part_session.PartSession(counting_part)
    assert [session([3, count]) for count in (2, 2, 5)] == [[6], [6], [15]]
    session.close()


@pytest.mark.parametrize("are_twins", [False, True])
def test_sessions_of_one_part_do_not_disturb_each_other(counting_part, are_twins):
    first = part_session.PartSession(counting_part)
    others = [
        first.twin() if are_twins else part_session.PartSession(counting_part) for _ in range(3)
    ]
    sessions = [first, *others]
    together = threading.Barrier(4)

    def run(number: int) -> list[int]:
        together.wait()
        return [int(sessions[number]([number, 2000])[0]) for _ in range(5)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [[2000 * number] * 5 for number in range(4)]


def test_one_session_serves_several_threads_one_after_the_other(counting_part):
    session = part_session.PartSession(counting_part)
    together = threading.Barrier(4)

    def run(number: int) -> list[int]:
        together.wait()
        return [int(session([number, 2000])[0]) for _ in range(5)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [[2000 * number] * 5 for number in range(4)]


def test_each_sequence_has_its_pipeline(sequence_part):
    session = part_session.PartSession(sequence_part, [_Range(), _Range(100)])
    assert session([2], [{"count": 4}, {"count": 1}]) == [6, 200]
    assert session([3], [{"count": 3}, {"count": 0}]) == [3, 0]
    with pytest.raises(ValueError):
        session([2], [{"count": 4}])


def test_a_tensor_may_go_straight_through():
    @tff.tensorflow.computation(np.float32, np.str_)
    def same(number, text):
        return number, text, number

    session = part_session.PartSession(round_form.compile_part(same))
    assert session([np.float32(0.5), "a"]) == [0.5, b"a", 0.5]


class _Sum:
    """One element: the sum of `values`."""

    def input_specs(self):
        return {"values": tf.TensorSpec([None], tf.int64)}

    def build(self, inputs):
        return tf.data.Dataset.from_tensors(tf.reduce_sum(inputs["values"]))


def test_a_file_that_was_fed_stays_mapped_no_longer(tmp_path):
    @tff.tensorflow.computation(tff.SequenceType(np.int64))
    def total(data):
        return data.reduce(np.int64(0), lambda state, element: state + element)

    path = tmp_path / "values.npy"
    np.save(path, np.arange(10_000))
    session = part_session.PartSession(round_form.compile_part(total), [_Sum()])
    mapped = np.load(path, mmap_mode="r")
    assert session(data=[{"values": mapped}]) == [49_995_000]
    del mapped
    with open("/proc/self/maps") as maps:
        assert str(path) not in maps.read()


class _Endless(_Range):
    """Never ends, and says that it has begun."""

    def __init__(self, has_begun: threading.Event) -> None:
        super().__init__()
        self._has_begun = has_begun

    def build(self, inputs):
        def begun(number):
            self._has_begun.set()
            return number

        told = tf.data.Dataset.range(1).map(
            lambda number: tf.ensure_shape(tf.py_function(begun, [number], tf.int64), [])
        )
        return told.concatenate(super().build(inputs))


def test_closing_a_session_ends_what_it_runs(sequence_part):
    has_begun = threading.Event()
    session = part_session.PartSession(sequence_part, [_Endless(has_begun), _Range()])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(session, [1], [{"count": ENDLESS}, {"count": 0}])
        assert has_begun.wait(PROMPT_S)
        session.close()
        with pytest.raises(store.WorkStopped):
            running.result(PROMPT_S)


def test_a_twin_outlives_the_session_it_comes_from(counting_part):
    session = part_session.PartSession(counting_part)
    twin = session.twin()
    session.close()
    assert twin([3, 2]) == [6]
    assert twin.twin()([3, 5]) == [15]


def test_a_closed_session_does_not_run(counting_part):
    session = part_session.PartSession(counting_part)
    session.close()
    session.close()
    with pytest.raises(store.WorkStopped):
        session([1, 1])


def test_what_fails_is_no_stop():
    @tff.tensorflow.computation(np.int32)
    def check(number):
        with tf.control_dependencies([tf.debugging.assert_positive(number)]):
            return tf.identity(number)

    session = part_session.PartSession(round_form.compile_part(check))
    with pytest.raises(tf.errors.InvalidArgumentError):
        session([-1])
    assert session([1]) == [1]


def test_a_part_lies_on_its_device_and_its_pipeline_on_the_cpu(sequence_part):
    session = part_session.PartSession(sequence_part, [_Range(), _Range()], device="/GPU:1")
    assert session([2], [{"count": 4}, {"count": 1}]) == [6, 0]  # none here: soft placement
    placed = {(each.type, each.device) for each in session._bound.graph.get_operations()}
    reading = {device for kind, device in placed if "Dataset" in kind or "Iterator" in kind}
    assert reading == {"/device:CPU:0"}
    assert ("RangeDataset", "/device:CPU:0") in placed
    assert "/device:GPU:1" in {device for _, device in placed}


def test_a_graph_that_contradicts_itself_is_told_as_any_failure(counting_part):
    computation = computation_pb2.Computation.FromString(counting_part.computation)
    graph = counting_part.graph_def()
    graph.node.add(name="sum", op="AddV2").attr["T"].type = tf.float32.as_datatype_enum
    computation.tensorflow.graph_def.value = graph.SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError, match="AddV2"):
        part_session.PartSession(graph_part.GraphPart(computation.SerializeToString()))


def test_a_result_is_never_what_its_pipeline_was_fed(sequence_part):
    """A part whose node has the name that TensorFlow would give a pipeline's placeholder."""
    computation = computation_pb2.Computation.FromString(sequence_part.computation)
    graph = sequence_part.graph_def()
    for node in graph.node:
        if node.name == "Placeholder":
            node.name = "data"
        node.input[:] = ["data" if name == "Placeholder" else name for name in node.input]
    seven = graph.node.add(name="Placeholder", op="Const")
    seven.attr["dtype"].type = tf.int64.as_datatype_enum
    seven.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(7, tf.int64))
    tensorflow = computation.tensorflow
    assert tensorflow.parameter.struct.element[0].sequence.variant_tensor_name == "Placeholder:0"
    tensorflow.parameter.struct.element[0].sequence.variant_tensor_name = "data:0"
    tensorflow.result.struct.element[0].tensor.tensor_name = "Placeholder:0"
    tensorflow.graph_def.value = graph.SerializeToString()
    part = graph_part.GraphPart(computation.SerializeToString())
    session = part_session.PartSession(part, [_Range(), _Range()])
    found, _ = session([np.int64(1)], [{"count": np.int64(3)}, {"count": np.int64(4)}])
    assert found == 7
