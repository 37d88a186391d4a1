"""A store's arrays as the data set it trains on: shuffled, in batches, augmented.

The pipeline is a graph over arrays that are handed in, the same for every store, so that one
session serves them all; the arrays come from the cache without a copy. All that is random
derives from (seed, round, store).
"""

import collections
import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from datasets.augmentation import augment
from datasets.examples import Examples

# What a store's examples may take in memory to be put in order all at once: two stores side by
# side then hold no more than a network's activations.
_MAX_BYTES_AT_ONCE = 32 * 2**20
# Epochs are parts of the graph there; a pooled training of a whole run's epochs would swell it.
_MAX_EPOCHS_AT_ONCE = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExamplePipeline:
    """From arrays of examples to `(OrderedDict(<feature>=…), label)` in batches.

    Attributes:
      feature: the name a model knows the input by: `image` or `features`.
      shape: of one example, such as (96, 96, 3).
      dtype: uint8 for photographs, float32 for features.
      batch_size: examples in a batch; the last of an epoch may be smaller.
      epochs: passes over the examples.
      augmentation: strength, see `datasets.augmentation`.
      is_shuffled: whether every epoch has an order of its own.
    """

    feature: str
    shape: tuple[int, ...]
    dtype: str
    batch_size: int
    epochs: int = 1
    augmentation: str = "none"
    is_shuffled: bool = True

    def element_spec(self) -> tuple["collections.OrderedDict[str, tf.TensorSpec]", tf.TensorSpec]:
        """The specification of one batch."""
        feature = tf.TensorSpec([None, *self.shape], self.dtype)
        return collections.OrderedDict({self.feature: feature}), tf.TensorSpec([None], tf.int32)

    def input_specs(self) -> Mapping[str, tf.TensorSpec]:
        """What `build` takes.

        `features` [n, *shape], `labels` int32 [n], `order` int32 [epochs, m] (positions of
        examples, m = n where all are taken) and `seed` int32 [2] of the augmentation.
        """
        return {
            "features": tf.TensorSpec([None, *self.shape], self.dtype),
            "labels": tf.TensorSpec([None], tf.int32),
            "order": tf.TensorSpec([self.epochs, None], tf.int32),
            "seed": tf.TensorSpec([2], tf.int32),
        }

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """The data set over the arrays, in graph mode."""
        if self.augmentation != "none" or self.epochs > _MAX_EPOCHS_AT_ONCE:
            return self._build_by_batch(inputs)
        # Two ways to the same batches; only the one that is taken is made.
        num_bytes = self.epochs * self._example_bytes() * tf.size(inputs["labels"], tf.int64)
        variant = tf.cond(
            num_bytes <= _MAX_BYTES_AT_ONCE,
            lambda: tf.data.experimental.to_variant(self._build_at_once(inputs)),
            lambda: tf.data.experimental.to_variant(self._build_by_batch(inputs)),
        )
        return tf.data.experimental.from_variant(variant, self.element_spec())

    def _build_at_once(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """All examples are put in order first and cut into batches without a Python function,
        whose set-up would take a small store's time."""
        epochs = [
            tf.data.Dataset.from_tensor_slices(
                (
                    collections.OrderedDict({self.feature: tf.gather(inputs["features"], order)}),
                    tf.gather(inputs["labels"], order),
                )
            ).batch(self.batch_size)
            for order in (inputs["order"][epoch] for epoch in range(self.epochs))
        ]
        batches = functools.reduce(lambda left, right: left.concatenate(right), epochs)
        return batches.with_options(_options())

    def _build_by_batch(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """Each batch is taken together when its turn comes, and augmented."""
        features, labels = inputs["features"], inputs["labels"]
        begins = tf.range(0, tf.shape(inputs["order"])[1], self.batch_size)
        epoch, begin = tf.meshgrid(tf.range(self.epochs), begins, indexing="ij")
        epoch, begin = tf.reshape(epoch, [-1]), tf.reshape(begin, [-1])
        numbers = tf.range(tf.size(begin))

        def batch(
            number: tf.Tensor, epoch: tf.Tensor, begin: tf.Tensor
        ) -> tuple["collections.OrderedDict[str, tf.Tensor]", tf.Tensor]:
            positions = inputs["order"][epoch, begin : begin + self.batch_size]
            chosen = tf.gather(features, positions)
            if self.augmentation != "none":
                folded = tf.random.experimental.stateless_fold_in(inputs["seed"], number)
                chosen = augment(chosen, strength=self.augmentation, seed=folded)
            chosen = tf.ensure_shape(chosen, [None, *self.shape])
            return collections.OrderedDict({self.feature: chosen}), tf.gather(labels, positions)

        batches = tf.data.Dataset.from_tensor_slices((numbers, epoch, begin)).map(batch)
        return batches.with_options(_options())

    def _example_bytes(self) -> int:
        return math.prod(self.shape) * tf.as_dtype(self.dtype).size

    def feeds(
        self, examples: Examples, *, seed: int, round_num: int, store: str
    ) -> dict[str, np.ndarray]:
        """The arrays of one piece of work."""
        digest = hashlib.sha256(f"{seed}/{round_num}/{store}".encode()).digest()
        words = np.frombuffer(digest, np.uint32)
        generator = np.random.default_rng(words)
        in_order = np.arange(len(examples), dtype=np.int32)
        orders = [
            generator.permutation(in_order) if self.is_shuffled else in_order
            for _ in range(self.epochs)
        ]
        return {
            "features": examples.features,
            "labels": examples.labels,
            "order": np.stack(orders),
            "seed": words[:2].astype(np.int32),
        }


def _options() -> tf.data.Options:
    """Without what tf.data does for long-lived pipelines: a store's lives for seconds.

    Otherwise each store pays for an optimisation of its graph and for hand-offs between threads.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = 1
    options.deterministic = True
    return options
