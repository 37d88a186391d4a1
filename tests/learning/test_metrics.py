import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning import metrics


def _sums(num_labels: int, logits: np.ndarray, labels: list[int]):
    """TFF's sums over two batches, and its own finalised metrics."""
    initialize, update, finalize = tff.learning.metrics.create_functional_metric_fns(
        metrics.build_metrics(num_labels)
    )
    state = initialize()
    for rows in (slice(0, 2), slice(2, None)):
        output = tff.learning.models.BatchOutput(
            loss=None, predictions=tf.constant(logits[rows]), num_examples=None
        )
        state = update(state, tf.constant(labels[rows]), output)
    return state, finalize(state)


def _leaves(state) -> list[np.ndarray]:
    return [leaf.numpy() for sums in state.values() for leaf in tf.nest.flatten(sums)]


def test_metrics_are_what_they_are_called():
    logits = np.log([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]).astype(np.float32)
    _, finalized = _sums(3, logits, [0, 1, 2])
    assert list(finalized) == ["loss", "top_1", "top_5", "num_examples"]
    expected_loss = -np.mean(np.log([0.7, 0.2, 0.6]))
    assert float(finalized["loss"]) == pytest.approx(expected_loss, rel=1e-6)
    assert float(finalized["top_1"]) == pytest.approx(2 / 3)
    assert float(finalized["top_5"]) == 1.0
    assert int(finalized["num_examples"]) == 3


def test_top_5_counts_five_labels_and_no_more():
    logits = np.arange(7, 0, -1, dtype=np.float32)[np.newaxis].repeat(4, axis=0)
    _, finalized = _sums(7, logits, [0, 4, 5, 6])
    assert float(finalized["top_5"]) == 0.5


@pytest.mark.parametrize("num_labels", [2, 5, 9])
def test_local_metrics_equal_tffs_own_to_the_bit(num_labels):
    generator = np.random.default_rng(num_labels)
    logits = generator.normal(size=(11, num_labels)).astype(np.float32)
    labels = generator.integers(0, num_labels, 11).astype(np.int32).tolist()
    state, finalized = _sums(num_labels, logits, labels)
    expected = {name: value.numpy().item() for name, value in finalized.items()}
    assert metrics.local_metrics(_leaves(state)) == expected


def test_local_metrics_of_no_example_are_zero_as_tffs_are():
    initialize, _, finalize = tff.learning.metrics.create_functional_metric_fns(
        metrics.build_metrics(3)
    )
    state = initialize()
    expected = {name: value.numpy().item() for name, value in finalize(state).items()}
    assert metrics.local_metrics(_leaves(state)) == expected
    assert expected == {"loss": 0, "top_1": 0, "top_5": 0, "num_examples": 0}


def test_a_loss_that_is_not_finite_stays_so():
    leaves = [np.float32(v) for v in (np.nan, 2, 1, 2, 2, 2)] + [np.int64(2)]
    assert np.isnan(metrics.local_metrics(leaves)["loss"])


def test_other_leaves_are_refused():
    with pytest.raises(ValueError, match="must begin with 7 scalars, found shapes"):
        metrics.local_metrics([np.float32(1)] * 6)
