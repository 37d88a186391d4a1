import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail.learning.update_aggregator import UpdateAggregatorFactory

pytestmark = pytest.mark.usefixtures("in_process")

VALUE_TYPE = tff.StructWithPythonType(
    [tff.TensorType(np.float32, (2,)), tff.TensorType(np.float32)], tuple
)
WEIGHT_TYPE = tff.TensorType(np.float32)


def _aggregate(updates: list[tuple], clip_norm: float | None = None):
    """The mean and the measurements of `(update, weight)` pairs."""
    process = UpdateAggregatorFactory(clip_norm).create(VALUE_TYPE, WEIGHT_TYPE)

    @tff.federated_computation(
        process.initialize.type_signature.result,
        tff.FederatedType((VALUE_TYPE, WEIGHT_TYPE), tff.CLIENTS),
    )
    def next_fn(state, pair):
        output = process.next(state, pair[0], pair[1])
        return output.state, tff.federated_zip((output.result, output.measurements))

    state = {"value_sum_process": (), "weight_sum_process": ()}
    _, (mean, measurements) = next_fn(state, updates)
    return [np.asarray(tensor).tolist() for tensor in mean], measurements


def _update(first: float, second: float, third: float) -> tuple[np.ndarray, np.float32]:
    return np.array([first, second], np.float32), np.float32(third)


def test_the_mean_is_weighted_and_measured():
    mean, measurements = _aggregate([(_update(3, 0, 4), 1.0), (_update(0, 8, 0), 3.0)])
    assert mean == [[0.75, 6.0], 1.0]
    assert measurements == {"num_not_finite": 0, "num_clipped": 0, "update_norm": 6.5}


def test_a_norm_above_the_bound_is_scaled_down_and_one_at_the_bound_is_not():
    updates = [(_update(6, 0, 8), 1.0), (_update(3, 0, -4), 1.0)]
    mean, measurements = _aggregate(updates, clip_norm=5.0)
    assert mean == [[3.0, 0.0], 0.0]
    assert measurements == {"num_not_finite": 0, "num_clipped": 1, "update_norm": 7.5}


@pytest.mark.parametrize("clip_norm", [None, 5.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_an_update_that_is_not_finite_is_dropped_and_counted(bad, clip_norm):
    mean, measurements = _aggregate(
        [(_update(1, bad, bad), 10.0), (_update(3, 0, 4), 1.0)], clip_norm
    )
    assert mean == [[3.0, 0.0], 4.0]
    assert measurements == {"num_not_finite": 1, "num_clipped": 0, "update_norm": 5.0}


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0, -1.0])
def test_an_update_whose_weight_means_nothing_is_dropped(weight):
    mean, measurements = _aggregate([(_update(1, 1, 1), weight), (_update(3, 0, 4), 1.0)])
    assert mean == [[3.0, 0.0], 4.0]
    assert measurements["num_not_finite"] == 1


def test_without_any_update_left_the_mean_is_nan_and_the_measurements_are_not():
    mean, measurements = _aggregate([(_update(np.nan, 0, 0), 1.0)])
    assert np.isnan(mean[0]).all() and np.isnan(mean[1])
    assert measurements == {"num_not_finite": 1, "num_clipped": 0, "update_norm": 0.0}
