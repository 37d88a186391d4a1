import collections

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning import training_metrics_aggregator

SUMS_TYPE = tff.to_type(
    collections.OrderedDict(loss=[np.float32, np.float32], num_examples=[np.int64])
)


@tf.function
def _finalize(sums):
    return collections.OrderedDict(
        loss=tf.math.divide_no_nan(*sums["loss"]), num_examples=sums["num_examples"][0]
    )


def _aggregate(*stores: tuple[float, float, int]):
    aggregate = training_metrics_aggregator.build_training_metrics_aggregator(_finalize)

    @tff.federated_computation(
        tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(SUMS_TYPE, tff.CLIENTS)
    )
    def next_fn(state, sums):
        return state, aggregate(sums)

    values = [
        collections.OrderedDict(
            loss=[np.float32(total), np.float32(count)], num_examples=[np.int64(num_examples)]
        )
        for total, count, num_examples in stores
    ]
    return next_fn(np.int32(0), values)[1]


@pytest.mark.usefixtures("in_process")
def test_sums_are_added_and_then_finalized():
    assert _aggregate((6, 3, 3), (2, 1, 1)) == {"loss": 2.0, "num_examples": 4}


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_store_whose_sums_are_not_finite_is_left_out_whole(bad):
    assert _aggregate((6, 3, 3), (bad, 5, 5)) == {"loss": 2.0, "num_examples": 3}


@pytest.mark.usefixtures("in_process")
def test_without_any_store_left_the_metrics_are_zero():
    assert _aggregate((np.nan, 5, 5)) == {"loss": 0.0, "num_examples": 0}
