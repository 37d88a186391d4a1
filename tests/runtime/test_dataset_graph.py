import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import dataset_graph, part_session, round_form

ELEMENT = collections.OrderedDict(b=np.int64, a=np.int64)
SEQUENCE = tff.SequenceType(tff.types.to_type(ELEMENT))


@pytest.fixture(scope="module")
def run():
    @tff.tensorflow.computation(SEQUENCE)
    def fold(data):
        return data.reduce(
            np.int64(0), lambda state, element: 10 * state + element["b"] - element["a"]
        )

    part = round_form.compile_part(fold)
    session = part_session.PartSession(part, [dataset_graph.DatasetGraph(SEQUENCE)])

    def run_on(dataset: tf.data.Dataset) -> int:
        return int(session(data=[dataset_graph.serialize_dataset(dataset, SEQUENCE)])[0])

    yield run_on
    session.close()


def _element(number):
    return collections.OrderedDict(b=number + 1, a=number - number)


def test_a_data_set_goes_into_a_session(run):
    assert run(tf.data.Dataset.range(3).map(_element)) == 123


def test_state_outside_its_graph_goes_along(run):
    assert run(tf.data.Dataset.range(3).map(_element).cache().repeat(2)) == 123123
    assert sorted(str(run(tf.data.Dataset.range(3).map(_element).shuffle(3)))) == list("123")


def test_a_python_generator_runs_in_this_process(run):
    spec = tf.TensorSpec([], tf.int64)
    dataset = tf.data.Dataset.from_generator(lambda: iter([4, 5]), output_signature=spec)
    assert run(dataset.map(_element)) == 56


def test_elements_of_another_type_are_refused():
    dataset = tf.data.Dataset.range(3)
    with pytest.raises(TypeError, match=r"must be <b=int64,a=int64>\*, found int64\*"):
        dataset_graph.serialize_dataset(dataset, SEQUENCE)


def test_other_things_than_data_sets_are_refused():
    with pytest.raises(TypeError, match=r"must be a tf.data.Dataset, found \[1, 2\]"):
        dataset_graph.serialize_dataset([1, 2], SEQUENCE)
