"""What a store counts for `confidence_histogram`, beside the metrics that a model has."""

import collections
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning.confidence_histogram import NUM_BINS

CONFIDENCE = "confidence"


def with_confidence_counts(
    model: tff.learning.models.FunctionalModel,
) -> tff.learning.models.FunctionalModel:
    """The same model with one metric more: `confidence`, which is never divided.

    Its state and its value are `OrderedDict(num_examples, num_right)`, both int64 [NUM_BINS]:
    whole numbers, whose sum does not depend on the order of stores and that secure sums take.

    Args:
      model: to logits float32 [batch, labels], for labels int32 [batch].
    """

    @tf.function
    def initialize() -> "collections.OrderedDict[str, Any]":
        zeros = tf.zeros([NUM_BINS], tf.int64)
        counts = collections.OrderedDict(num_examples=zeros, num_right=zeros)
        return collections.OrderedDict(**model.initialize_metrics_state(), **{CONFIDENCE: counts})

    @tf.function
    def update(
        state: Any, labels: Any, batch_output: Any, sample_weight: Any = None
    ) -> "collections.OrderedDict[str, Any]":
        metrics, counts = _split(state)
        metrics = model.update_metrics_state(metrics, labels, batch_output, sample_weight)
        counts = _add(counts, labels, batch_output.predictions)
        return collections.OrderedDict(**metrics, **{CONFIDENCE: counts})

    @tf.function
    def finalize(state: Any) -> "collections.OrderedDict[str, Any]":
        metrics, counts = _split(state)
        finalized = model.finalize_metrics(metrics)
        return collections.OrderedDict(**finalized, **{CONFIDENCE: counts})

    return tff.learning.models.FunctionalModel(
        initial_weights=model.initial_weights,
        predict_on_batch_fn=model.predict_on_batch,
        loss_fn=model.loss,
        metrics_fns=(initialize, update, finalize),
        input_spec=model.input_spec,
    )


def _split(state: Any) -> tuple["collections.OrderedDict[str, Any]", Any]:
    metrics = collections.OrderedDict(state)
    return metrics, metrics.pop(CONFIDENCE)


def _add(counts: Any, labels: tf.Tensor, logits: tf.Tensor) -> "collections.OrderedDict[str, Any]":
    probabilities = tf.nn.softmax(logits)
    winner = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    confidence = tf.reduce_max(probabilities, axis=-1)
    # A probability that is not a number becomes a negative bin, and those are left out.
    bins = tf.where(
        tf.math.is_finite(confidence),
        tf.cast(tf.minimum(confidence * NUM_BINS, NUM_BINS - 1), tf.int32),
        -1,
    )
    is_right = tf.cast(tf.equal(winner, tf.cast(labels, tf.int32)), tf.int64)
    added = {"num_examples": tf.ones_like(is_right), "num_right": is_right}
    return collections.OrderedDict(
        (name, counts[name] + tf.math.unsorted_segment_sum(values, bins, NUM_BINS))
        for name, values in added.items()
    )
