"""The mean of the stores' updates, weighted by examples: clipped, and without the broken ones.

TFF's client work already sets the weight of an update that is not finite to zero; here such an
update is also counted, clipped ones are, and a store that sends one by another way is caught.
"""

import collections
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning.encoded_sum import EncodedSumFactory
from tff_retail.learning.update_encoding import UpdateEncoding


class UpdateAggregatorFactory(tff.aggregators.WeightedAggregationFactory):
    """Builds the aggregation `({update, weight}@CLIENTS -> mean@SERVER)`.

    At a store: the update's L2 norm over all its tensors is taken; an update whose norm or
    weight is not finite, or that weighs nothing, becomes zero with weight zero; a norm above
    `clip_norm` is scaled down to it. At headquarters: the weighted mean. Where no update is
    left the mean is 0 / 0 = NaN on purpose: TFF's finaliser rejects it, and then neither the
    model nor the server optimiser's momentum moves.

    Measurements, at the server:
      num_not_finite: int32, stores whose update was dropped.
      num_clipped: int32, stores whose update was scaled down.
      update_norm: float32, mean norm before clipping over the stores that were not dropped.
    """

    def __init__(self, clip_norm: float | None = None, dtype: str = "float32") -> None:
        """Takes how updates are bounded and sent.

        Args:
          clip_norm: bound on a store's update, L2 over the whole of it; None for no bound.
          dtype: what an update is rounded to on its way, see `UpdateEncoding`; float32 for nothing.
        """
        self._clip_norm = clip_norm
        self._sum = None if dtype == "float32" else EncodedSumFactory(UpdateEncoding(dtype))

    def create(self, value_type: Any, weight_type: Any) -> tff.templates.AggregationProcess:
        """The aggregation of updates of `value_type`, weighted by `weight_type`."""
        mean = tff.aggregators.MeanFactory(self._sum).create(value_type, weight_type)
        clip_norm = self._clip_norm

        @tff.tensorflow.computation(value_type, weight_type)
        @tf.function
        def admit(update: Any, weight: Any) -> Any:
            return _admit(update, weight, clip_norm)

        @tff.federated_computation(
            mean.initialize.type_signature.result,
            tff.FederatedType(value_type, tff.CLIENTS),
            tff.FederatedType(weight_type, tff.CLIENTS),
        )
        def next_fn(state: Any, update: Any, weight: Any) -> Any:
            update, weight, counts = tff.federated_map(admit, (update, weight))
            output = mean.next(state, update, weight)
            measurements = tff.federated_map(_measure, tff.federated_sum(counts))
            return tff.templates.MeasuredProcessOutput(output.state, output.result, measurements)

        return tff.templates.AggregationProcess(mean.initialize, next_fn)


def _admit(update: Any, weight: tf.Tensor, clip_norm: float | None) -> tuple[Any, Any, Any]:
    """The update and weight to be averaged, and what is counted of this store."""
    norm = tf.linalg.global_norm(tf.nest.flatten(update))
    # A norm that overflows is as useless as one that is NaN, so it is the one test.
    is_kept = tf.math.is_finite(norm) & tf.math.is_finite(weight) & (weight > 0)
    is_clipped = is_kept & (norm > (np.inf if clip_norm is None else clip_norm))
    scale = tf.constant(1.0) if clip_norm is None else tf.where(is_clipped, clip_norm / norm, 1.0)
    # `where`, since zero times NaN is NaN.
    admitted = tf.nest.map_structure(
        lambda x: tf.where(is_kept, x * tf.cast(scale, x.dtype), tf.zeros_like(x)), update
    )
    counts = collections.OrderedDict(
        num_kept=tf.cast(is_kept, tf.int32),
        num_not_finite=tf.cast(~is_kept, tf.int32),
        num_clipped=tf.cast(is_clipped, tf.int32),
        norm=tf.where(is_kept, norm, 0.0),
    )
    return admitted, tf.where(is_kept, weight, tf.zeros_like(weight)), counts


@tff.tensorflow.computation
def _measure(counts: Any) -> Any:
    return collections.OrderedDict(
        num_not_finite=counts["num_not_finite"],
        num_clipped=counts["num_clipped"],
        update_norm=tf.math.divide_no_nan(counts["norm"], tf.cast(counts["num_kept"], tf.float32)),
    )
