"""A model of a given size, and the round that averages it: what travels, without any training."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tff_retail.runtime.round_form import RoundForm, compile_round_form
from tff_retail.runtime.value_encoding import encode_compute_response
from tff_retail.runtime.value_tree import Struct, ValueTree

# Ten layers of a matrix and a vector, as networks have.
_NUM_LAYERS = 10
_BIAS = 64
_BYTES = 4


@dataclasses.dataclass(frozen=True)
class RoundModel:
    """A model of float32.

    Attributes:
      sizes: elements of its arrays.
    """

    sizes: tuple[int, ...]

    @classmethod
    def of_bytes(cls, num_bytes: int) -> "RoundModel":
        """A model of about so many bytes."""
        kernel = max(1, num_bytes // _BYTES // _NUM_LAYERS - _BIAS)
        return cls((kernel, _BIAS) * _NUM_LAYERS)

    @property
    def num_bytes(self) -> int:
        """Of all its arrays."""
        return _BYTES * sum(self.sizes)

    def weights(self) -> list[np.ndarray]:
        """Random numbers, distributed like the updates of networks; hardly to be packed."""
        generator = np.random.default_rng(0)
        return [generator.standard_normal(size, np.float32) for size in self.sizes]

    def update(self) -> list[np.ndarray]:
        """A store's: the leaves of `work`'s result, the weighted numbers and the weight."""
        return [*self.weights(), np.asarray(1.0, np.float32)]

    def answer(self, form: RoundForm) -> bytes:
        """The serialised result of `work`, as a store sends it."""
        proto = computation_pb2.Computation.FromString(form["work"].computation)
        tree = _tree(proto.type.function.result, iter(self.update()))
        return b"".join(encode_compute_response(tree))

    def compile(self) -> RoundForm:
        """The weighted mean of the stores' models becomes the next one."""
        model = [(np.float32, [size]) for size in self.sizes]

        @tff.tensorflow.computation
        def first() -> list[tf.Tensor]:
            # Drawn, so that no compiler makes a constant of it.
            return [tf.random.uniform([size]) for size in self.sizes]

        @tff.federated_computation
        def initialize() -> tff.Value:
            return tff.federated_eval(first, tff.SERVER)

        @tff.tensorflow.computation(tff.SequenceType(np.float32), model)
        def train(
            examples: tf.data.Dataset, weights: Sequence[tf.Tensor]
        ) -> tuple[list[tf.Tensor], tf.Tensor]:
            weight = examples.reduce(0.0, lambda total, example: total + example)
            return [value * weight for value in weights], weight

        @tff.tensorflow.computation((model, np.float32))
        def mean(total: tuple[Sequence[tf.Tensor], tf.Tensor]) -> list[tf.Tensor]:
            return [value / total[1] for value in total[0]]

        @tff.federated_computation(
            tff.FederatedType(tff.to_type(model), tff.SERVER),
            tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
        )
        def next_model(state: tff.Value, examples: tff.Value) -> tuple[tff.Value, tff.Value]:
            trained = tff.federated_map(train, (examples, tff.federated_broadcast(state)))
            next_state = tff.federated_map(mean, tff.federated_sum(trained))
            return next_state, tff.federated_value(0, tff.SERVER)

        return compile_round_form(initialize, next_model)


def _tree(value_type: computation_pb2.Type, leaves: Iterator[np.ndarray]) -> ValueTree:
    if value_type.WhichOneof("type") != "struct":
        return next(leaves)
    elements = value_type.struct.element
    return Struct(tuple((element.name, _tree(element.value, leaves)) for element in elements))
