"""A `tf.data.Dataset` as the bytes of its graph, and back.

What a data set is made of can't be handed from one TensorFlow runtime to another, such as from
eager mode to a session; its graph can.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

# State outside the graph, such as the position of a seeded shuffle, starts anew: TensorFlow's
# `ExternalStatePolicy.POLICY_IGNORE`, which has no public name.
_IGNORE_STATE = 1


class DatasetGraph:
    """The `Pipeline` of a data set that arrives as its graph; see `serialize_dataset`.

    Args:
      sequence_type: of the data set.
    """

    def __init__(self, sequence_type: tff.SequenceType) -> None:
        self._element_spec = tff.types.type_to_tf_tensor_specs(sequence_type.element)

    def input_specs(self) -> Mapping[str, tf.TensorSpec]:
        """See `Pipeline`."""
        return {"graph": tf.TensorSpec([], tf.string)}

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """See `Pipeline`."""
        variant = tf.raw_ops.DatasetFromGraph(graph_def=inputs["graph"])
        dataset = tf.data.experimental.from_variant(variant, self._element_spec)
        return dataset.with_options(_options())


def serialize_dataset(dataset: object, sequence_type: tff.SequenceType) -> dict[str, np.ndarray]:
    """What a `DatasetGraph` takes.

    Python functions inside it (`from_generator`) stay where they are: the graph names them, and
    it is run in this process.

    Args:
      dataset: a `tf.data.Dataset`.
      sequence_type: what its elements must be.

    Raises:
      TypeError: it is something else, or its elements are.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(f"A store's data must be a tf.data.Dataset, found {dataset!r:.100}.")
    found = tff.SequenceType(tff.types.tensorflow_to_type(dataset.element_spec))
    if not sequence_type.is_assignable_from(found):
        raise TypeError(
            f"The elements of a store's data set must be {sequence_type}, found {found}; "
            "map or batch the data set accordingly."
        )
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset),
        external_state_policy=_IGNORE_STATE,
    )
    return {"graph": np.asarray(graph.numpy(), dtype=object)}


def _options() -> tf.data.Options:
    """Without what tf.data does for long-lived pipelines, for a store's lives for seconds: each
    would pay for an optimisation of its graph and for a tuner. Their elements stay the same."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
