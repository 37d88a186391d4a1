"""A reduction of a data set becomes a loop that computes the same."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow.core.framework import node_def_pb2

from tff_retail.runtime.data_loops import with_loops
from tff_retail.runtime.dataset_graph import DatasetGraph, serialize_dataset
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession

NUMBERS = tff.SequenceType(np.int32)


@tff.tensorflow.computation(NUMBERS, np.int32)
def plain(numbers, factor):
    """Captures `factor`, and has two variables of the loop that are of different types."""
    return numbers.reduce(
        (1, tf.constant(0.5)), lambda state, x: (state[0] * 3 + factor * x, state[1] / 2.0)
    )


@tff.tensorflow.computation(NUMBERS, np.int32)
def nested(numbers, factor):
    """Reduces inside functions, with variables, as TFF's client work does, and once more inside."""
    total = tf.Variable(0)

    @tf.function
    def inner(x):
        return tf.data.Dataset.range(3).reduce(tf.cast(x, tf.int64), lambda a, b: a + b)

    @tf.function
    def outer(numbers, factor):
        total.assign(factor)

        def step(count, x):
            total.assign(total * 2 + tf.cast(inner(x), tf.int32))
            return count + 1

        count = numbers.reduce(0, step)
        return total.read_value(), tf.cast(count, tf.float32)

    return outer(numbers, factor)


def _run(proto, numbers, factor=7):
    session = PartSession(GraphPart.from_computation(proto), [DatasetGraph(NUMBERS)])
    dataset = tf.data.Dataset.from_tensor_slices(np.array(numbers, np.int32))
    try:
        return session([np.int32(factor)], [serialize_dataset(dataset, NUMBERS)])
    finally:
        session.close()


def _operations(proto):
    graph = tf.compat.v1.GraphDef.FromString(proto.tensorflow.graph_def.value)
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


@pytest.mark.parametrize("numbers", [[], [5], [3, 1, 4, 1, 5]])
@pytest.mark.parametrize("computation", [plain, nested])
def test_a_loop_computes_what_the_reduction_does(computation, numbers):
    proto = tff.framework.serialize_computation(computation)
    looping = with_loops(proto)
    assert "ReduceDataset" in _operations(proto)
    assert "ReduceDataset" not in _operations(looping)
    assert _run(looping, numbers) == _run(proto, numbers)


def test_what_a_loop_gives_is_right():
    proto = with_loops(tff.framework.serialize_computation(plain))
    assert _run(proto, [1, 2], factor=10) == [(1 * 3 + 10) * 3 + 20, 0.125]


def test_federated_computations_are_looked_through():
    @tff.federated_computation(
        tff.FederatedType(NUMBERS, tff.CLIENTS), tff.FederatedType(np.int32, tff.CLIENTS)
    )
    def federated(numbers, factor):
        return tff.federated_map(plain, (numbers, factor))

    operation = node_def_pb2.NodeDef(op="ReduceDataset").SerializeToString()
    proto = tff.framework.serialize_computation(federated)
    assert operation in proto.SerializeToString()
    assert operation not in with_loops(proto).SerializeToString()


def test_a_computation_without_reductions_is_left_alone():
    @tff.tensorflow.computation(np.int32)
    def add_one(x):
        return x + 1

    proto = tff.framework.serialize_computation(add_one)
    assert with_loops(proto) == proto
