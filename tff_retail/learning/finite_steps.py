"""Leaves out a step whose gradients are not finite, as float16's overflow from time to time.

Micikevicius et al. 2018, section 3.2: the update is skipped where an overflow is found in the
weights' gradients, and training goes on with the next batch (https://arxiv.org/abs/1710.03740).
"""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff


class FiniteSteps(tff.learning.optimizers.Optimizer):
    """An optimiser whose weights and state stay as they are where a gradient is not finite.

    Its state and hyperparameters are those of the optimiser inside.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer) -> None:
        """Wraps `optimizer`, which takes the steps."""
        self._optimizer = optimizer

    def initialize(self, specs: Any) -> Any:
        """The state of the optimiser inside, for weights of these `tf.TensorSpec`s."""
        return self._optimizer.initialize(specs)

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        """One step, or none; a weight without a gradient (None) stays as it is."""
        found = [gradient for gradient in tf.nest.flatten(gradients) if gradient is not None]
        is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in found])
        stepped = self._optimizer.next(state, weights, gradients)
        # `where` and not a branch: both sides are at hand, and it stays within one graph.
        return tf.nest.map_structure(
            lambda after, before: tf.where(is_finite, after, before), stepped, (state, weights)
        )

    def get_hparams(self, state: Any) -> Any:
        """The hyperparameters of the optimiser inside."""
        return self._optimizer.get_hparams(state)

    def set_hparams(self, state: Any, hparams: Any) -> Any:
        """`state` with other hyperparameters."""
        return self._optimizer.set_hparams(state, hparams)
