import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import typed_leaves

Point = collections.namedtuple("Point", ["x", "y"])
NESTED = tff.FederatedType(
    tff.types.to_type(collections.OrderedDict(b=Point(np.int32, np.float32), a=(np.int64,))),
    tff.SERVER,
)


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(b=Point(1, 2.5), a=(3,)),
        {"a": [tf.constant(3)], "b": {"y": 2.5, "x": tf.Variable(1)}},
        tff.structure.Struct(
            [("b", tff.structure.Struct([("x", 1), ("y", 2.5)])), ("a", Point(3, 0)[:1])]
        ),
        (Point(1, 2.5), [3]),
    ],
)
def test_leaves_come_in_the_order_of_the_type_from_any_container(value):
    leaves = list(typed_leaves.leaves_of(value, NESTED))
    assert leaves == [1, 2.5, 3]
    assert all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves)


def test_leaf_types_come_in_the_same_order():
    found = [leaf.dtype for leaf in typed_leaves.leaf_types(NESTED)]
    assert found == [np.int32, np.float32, np.int64]


def test_a_value_stands_in_the_containers_of_its_type():
    value = typed_leaves.value_of([1, 2.5, 3], NESTED)
    assert value == collections.OrderedDict(b=Point(1, 2.5), a=(3,))
    assert isinstance(value["b"], Point)


@pytest.mark.parametrize(
    "value",
    [{"a": (3,)}, {"a": (3,), "c": Point(1, 2)}, {"a": (3, 4), "b": Point(1, 2)}, (1, 2, 3)],
)
def test_a_value_of_other_elements_is_refused(value):
    with pytest.raises(TypeError, match="A value must have the elements of its type"):
        list(typed_leaves.leaves_of(value, NESTED))


def test_a_data_set_is_a_leaf():
    dataset = tf.data.Dataset.range(3)
    assert list(typed_leaves.leaves_of(dataset, tff.SequenceType(np.int64))) == [dataset]
