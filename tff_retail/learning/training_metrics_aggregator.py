"""Sums a round's training metrics over the cohort, leaving out stores whose sums are not finite."""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff


@tff.tensorflow.computation
def _zero_unless_finite(sums: Any) -> Any:
    # Zeroed whole: a store whose loss overflowed must not count in top-1 either.
    floats = [leaf for leaf in tf.nest.flatten(sums) if leaf.dtype.is_floating]
    is_finite = tf.reduce_all([tf.math.is_finite(leaf) for leaf in floats])
    return tf.nest.map_structure(lambda x: tf.where(is_finite, x, tf.zeros_like(x)), sums)


def build_training_metrics_aggregator(
    metric_finalizers: Any, local_unfinalized_metrics_type: Any = None
) -> tff.Computation:
    """As `tff.learning.metrics.sum_then_finalize`, over the stores whose sums are all finite.

    One store that diverges would otherwise make the loss of the whole round NaN. For training
    only: an evaluation whose loss is NaN must say so, or the worst model would look the best.

    Args:
      metric_finalizers: `finalize_metrics` of the functional model.
      local_unfinalized_metrics_type: unused; part of `tff.learning.metrics`' signature.

    Returns:
      A polymorphic computation `({sums}@CLIENTS -> metrics@SERVER)`; zeros where no store is left.
    """
    del local_unfinalized_metrics_type
    sum_then_finalize = tff.learning.metrics.sum_then_finalize(metric_finalizers)

    @tff.federated_computation
    def aggregate(client_sums: Any) -> Any:
        return sum_then_finalize(tff.federated_map(_zero_unless_finite, client_sums))

    return aggregate
