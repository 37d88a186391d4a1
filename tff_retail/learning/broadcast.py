"""How the model's weights travel to the stores."""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff


def build_broadcast(
    weights_type: tff.Type, dtype: str
) -> tff.learning.templates.DistributionProcess:
    """The distribution `(weights@SERVER -> weights@CLIENTS)`.

    A store begins with the rounded weights and its update is relative to them; headquarters adds
    it to weights that are never rounded.

    Args:
      weights_type: of float32 tensors; those of other types travel as they are.
      dtype: `float32`, or `float16` or `bfloat16`, which weights are rounded to on the way; what
        float16 can't hold becomes the largest number that it can.
    """
    if dtype == "float32":
        return tff.learning.templates.build_broadcast_process(weights_type)
    narrow = tf.dtypes.as_dtype(dtype)

    @tff.tensorflow.computation(weights_type)
    def round_weights(weights: Any) -> Any:
        return tf.nest.map_structure(lambda weight: _rounded(weight, narrow), weights)

    @tff.tensorflow.computation(round_weights.type_signature.result)
    def widen(weights: Any) -> Any:
        return tf.nest.map_structure(
            lambda weight: tf.cast(weight, tf.float32) if weight.dtype == narrow else weight,
            weights,
        )

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_value((), tff.SERVER)

    @tff.federated_computation(
        initialize.type_signature.result, tff.FederatedType(weights_type, tff.SERVER)
    )
    def next_fn(state: Any, weights: Any) -> Any:
        rounded = tff.federated_broadcast(tff.federated_map(round_weights, weights))
        nothing = tff.federated_value((), tff.SERVER)
        return tff.templates.MeasuredProcessOutput(
            state, tff.federated_map(widen, rounded), nothing
        )

    return tff.learning.templates.DistributionProcess(initialize, next_fn)


def _rounded(weight: tf.Tensor, narrow: tf.DType) -> tf.Tensor:
    if weight.dtype != tf.float32:
        return weight
    return tf.cast(tf.clip_by_value(weight, narrow.min, narrow.max), narrow)
