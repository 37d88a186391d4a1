"""A store's arrays as the data set it trains on: shuffled, in batches, augmented.

The pipeline is a graph over arrays that are handed in, the same for every store, so that one
session serves them all; the arrays come from the cache without a copy. All that is random
derives from (seed, round, store).
"""

import collections
import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from datasets.augmentation import augment
from datasets.examples import Examples


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

        `features` [n, *shape], `labels` int32 [n], `order` int32 [epochs, n] (positions of
        examples) and `seed` int32 [2] of the augmentation.
        """
        return {
            "features": tf.TensorSpec([None, *self.shape], self.dtype),
            "labels": tf.TensorSpec([None], tf.int32),
            "order": tf.TensorSpec([None, None], tf.int32),
            "seed": tf.TensorSpec([2], tf.int32),
        }

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """The data set over the arrays, in graph mode."""
        features, labels = inputs["features"], inputs["labels"]

        def batch(
            number: tf.Tensor, positions: tf.Tensor
        ) -> tuple["collections.OrderedDict[str, tf.Tensor]", tf.Tensor]:
            chosen = tf.gather(features, positions)
            if self.augmentation != "none":
                folded = tf.random.experimental.stateless_fold_in(
                    inputs["seed"], tf.cast(number, tf.int32)
                )
                chosen = augment(chosen, strength=self.augmentation, seed=folded)
            chosen = tf.ensure_shape(chosen, [None, *self.shape])
            return collections.OrderedDict({self.feature: chosen}), tf.gather(labels, positions)

        epochs = tf.data.Dataset.from_tensor_slices(inputs["order"])
        batches = epochs.flat_map(
            lambda epoch: tf.data.Dataset.from_tensor_slices(epoch).batch(self.batch_size)
        )
        return batches.enumerate().map(batch).with_options(_options())

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
