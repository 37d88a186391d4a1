"""The sum of the stores' updates where each update travels in few bits."""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning.update_encoding import UpdateEncoding


class EncodedSumFactory(tff.aggregators.UnweightedAggregationFactory):
    """Builds the aggregation `(update@CLIENTS -> sum@SERVER)`.

    A store encodes its update; headquarters decodes each one as it comes in and adds it up in
    float32, so that no sum overflows and partial sums merge in any tree.
    `tff.aggregators.EncodedSumFactory` does the same with other encodings.
    """

    def __init__(self, encoding: UpdateEncoding) -> None:
        """Takes the encoding in which updates travel."""
        self._encoding = encoding

    def create(self, value_type: Any) -> tff.templates.AggregationProcess:
        """The aggregation of updates of `value_type`, float32 tensors in any structure."""
        encoding = self._encoding

        @tff.tensorflow.computation
        def zero() -> Any:
            return tff.types.structure_from_tensor_type_tree(
                lambda tensor: tf.zeros(tensor.shape, tensor.dtype), value_type
            )

        @tff.tensorflow.computation(value_type)
        @tf.function
        def encode(update: Any) -> Any:
            return encoding.encode(tf.nest.flatten(update))

        @tff.tensorflow.computation(value_type, encode.type_signature.result)
        @tf.function
        def accumulate(total: Any, encoded: Any) -> Any:
            totals = tf.nest.flatten(total)
            specs = [tf.TensorSpec(tensor.shape) for tensor in totals]
            decoded = encoding.decode(encoded, specs)
            sums = [a + b for a, b in zip(totals, decoded, strict=True)]
            return tf.nest.pack_sequence_as(total, sums)

        @tff.tensorflow.computation(value_type, value_type)
        def merge(left: Any, right: Any) -> Any:
            return tf.nest.map_structure(tf.add, left, right)

        @tff.tensorflow.computation(value_type)
        def report(total: Any) -> Any:
            return total

        @tff.federated_computation
        def initialize() -> Any:
            return tff.federated_value((), tff.SERVER)

        @tff.federated_computation(
            initialize.type_signature.result, tff.FederatedType(value_type, tff.CLIENTS)
        )
        def next_fn(state: Any, update: Any) -> Any:
            encoded = tff.federated_map(encode, update)
            total = tff.federated_aggregate(encoded, zero(), accumulate, merge, report)
            nothing = tff.federated_value((), tff.SERVER)
            return tff.templates.MeasuredProcessOutput(state, total, nothing)

        return tff.templates.AggregationProcess(initialize, next_fn)
