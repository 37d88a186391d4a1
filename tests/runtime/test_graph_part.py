import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import graph_part, round_form

NESTED = collections.OrderedDict(
    a=tff.TensorType(np.float32, [None, 2]), b=(tff.TensorType(np.str_), tff.TensorType(np.int64))
)


@tff.tensorflow.computation(tff.SequenceType(np.int32), NESTED)
def _nested(data, values):
    total = data.reduce(np.int32(0), lambda state, element: state + element)
    return collections.OrderedDict(total=total, first=values["a"]), values["b"][1]


@tff.tensorflow.computation
def _one() -> tf.Tensor:
    return tf.constant(1)


def test_leaves_are_named_by_their_way_from_the_root():
    part = round_form.compile_part(_nested)
    described = [
        (leaf.path, leaf.dtype, leaf.shape, leaf.element, leaf.is_sequence)
        for leaf in (*part.parameter, *part.result)
    ]
    assert described == [
        ("data", "variant", (), 0, True),
        ("values/a", "float32", (None, 2), 1, False),
        ("values/b/0", "string", (), 1, False),
        ("values/b/1", "int64", (), 1, False),
        ("0/total", "int32", (), 0, False),
        ("0/first", "float32", (None, 2), 0, False),
        ("1", "int64", (), 1, False),
    ]


def test_a_part_may_take_nothing_and_give_one_tensor():
    part = round_form.compile_part(_one)
    assert part.parameter == ()
    (leaf,) = part.result
    assert (leaf.path, leaf.dtype, leaf.element) == ("", "int32", 0)


def test_what_differs_between_two_compiles_is_left_out():
    computation = tff.framework.serialize_computation(_nested)
    graph = tf.compat.v1.GraphDef.FromString(computation.tensorflow.graph_def.value)
    graph.debug_info.files.append("a.py")
    graph.node[0].experimental_debug_info.original_node_names.append("a")
    graph.library.function[0].node_def[0].experimental_debug_info.original_node_names.append("b")
    other = type(computation)()
    other.CopyFrom(computation)
    other.tensorflow.cache_key.id = 7
    other.tensorflow.graph_def.value = graph.SerializeToString()
    one = graph_part.GraphPart.from_computation(computation)
    assert graph_part.GraphPart.from_computation(other) == one
    assert graph_part.GraphPart.from_computation(other).digest == one.digest


def test_another_graph_has_another_digest():
    @tff.tensorflow.computation
    def two() -> tf.Tensor:
        return tf.constant(2)

    assert round_form.compile_part(_one).digest != round_form.compile_part(two).digest


def test_a_federated_computation_is_no_part():
    @tff.federated_computation
    def value():
        return tff.federated_value(1, tff.SERVER)

    with pytest.raises(TypeError, match="must be TensorFlow graphs, found lambda"):
        graph_part.GraphPart.from_computation(tff.framework.serialize_computation(value))
