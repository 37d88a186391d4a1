"""Weight decay beside the gradient, for any optimiser.

Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithms 1 and 2
(https://arxiv.org/abs/1711.05101). TFF has it inside AdamW alone; this is the same rule,
`w <- step(w) - learning_rate * weight_decay * w`, around another optimiser.
"""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

_RATE = tff.learning.optimizers.LEARNING_RATE_KEY


class DecoupledWeightDecay(tff.learning.optimizers.Optimizer):
    """An optimiser whose step also shrinks the weights it started from.

    Its state and hyperparameters are those of the optimiser inside.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer, weight_decay: float) -> None:
        """Wraps `optimizer`, whose state must hold its learning rate.

        Args:
          optimizer: takes the step along the gradient.
          weight_decay: share of a weight taken off in a step, before the learning rate.
        """
        self._optimizer = optimizer
        self._weight_decay = weight_decay

    def initialize(self, specs: Any) -> Any:
        """The state of the optimiser inside, for weights of these `tf.TensorSpec`s."""
        return self._optimizer.initialize(specs)

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        """One step; a weight without a gradient (None) stays as it is."""
        rate = state[_RATE]
        new_state, stepped = self._optimizer.next(state, weights, gradients)
        decayed = [
            after if gradient is None else after - rate * self._weight_decay * before
            for before, after, gradient in zip(
                tf.nest.flatten(weights),
                tf.nest.flatten(stepped),
                tf.nest.flatten(gradients),
                strict=True,
            )
        ]
        return new_state, tf.nest.pack_sequence_as(stepped, decayed)

    def get_hparams(self, state: Any) -> Any:
        """The hyperparameters of the optimiser inside."""
        return self._optimizer.get_hparams(state)

    def set_hparams(self, state: Any, hparams: Any) -> Any:
        """`state` with other hyperparameters."""
        return self._optimizer.set_hparams(state, hparams)
