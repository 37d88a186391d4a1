"""What is measured of a model on a store's photographs: loss, top-1, top-5, number of examples.

A store sums; the sums of the cohort are added and only then divided, so that every photograph
counts once. `local_metrics` does the same division for one store's sums alone, without
TensorFlow, so that a store can report on itself.
"""

import collections
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

# Top-5 is what an operator is shown to choose from; with fewer labels it is all of them.
_MOST_GUESSES = 5
# A mean is kept as (total, count).
_MEANS = ("loss", "top_1", "top_5")

MetricsConstructor = Callable[[], "collections.OrderedDict[str, tf.keras.metrics.Metric]"]


def build_metrics(num_labels: int) -> MetricsConstructor:
    """A constructor of `OrderedDict(loss, top_1, top_5, num_examples)`, as Keras metrics.

    For the `metrics_constructor` of `tff.learning.models.functional_model_from_keras`. The loss
    is cross entropy without label smoothing, so that runs with and without it compare.

    Args:
      num_labels: length of the logits; with fewer than 5, top_5 counts all of them.
    """
    return functools.partial(_construct_metrics, num_labels)


def _construct_metrics(
    num_labels: int,
) -> "collections.OrderedDict[str, tf.keras.metrics.Metric]":
    top_5 = tf.keras.metrics.SparseTopKCategoricalAccuracy(min(_MOST_GUESSES, num_labels))
    return collections.OrderedDict(
        loss=tf.keras.metrics.SparseCategoricalCrossentropy(from_logits=True),
        top_1=tf.keras.metrics.SparseCategoricalAccuracy(),
        top_5=top_5,
        num_examples=tff.learning.metrics.NumExamplesCounter(),
    )


def local_metrics(leaves: Sequence[np.ndarray]) -> "collections.OrderedDict[str, float]":
    """One store's metrics, from the sums that its own work put out.

    Args:
      leaves: the unfinalised metrics in order: total and count (float32 []) of loss, top_1 and
        top_5, then num_examples (int64 []). What follows (`confidence_counts`) is not looked
        at: a store's report is a line of a table.

    Returns:
      `OrderedDict(loss, top_1, top_5, num_examples)`; zeros where there was no example, as
      TFF's own finalisers have it.

    Raises:
      ValueError: `leaves` do not begin with seven scalars.
    """
    leaves = leaves[: 2 * len(_MEANS) + 1]
    found = [np.shape(leaf) for leaf in leaves]
    if found != [()] * (2 * len(_MEANS) + 1):
        raise ValueError(
            f"the sums of a store's metrics must begin with {2 * len(_MEANS) + 1} scalars, "
            f"found shapes {found}; pass the leaves of the evaluation's unfinalised metrics alone"
        )
    totals_and_counts = zip(leaves[0:-1:2], leaves[1:-1:2], strict=True)
    means = [_mean(total, count) for total, count in totals_and_counts]
    return collections.OrderedDict(
        **dict(zip(_MEANS, means, strict=True)), num_examples=int(leaves[-1])
    )


def _mean(total: np.ndarray, count: np.ndarray) -> float:
    return float(np.float32(total) / np.float32(count)) if count else 0.0
