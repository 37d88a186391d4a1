"""The optimiser a store trains with."""

from collections.abc import Callable
from typing import Any

import tensorflow_federated as tff

from tff_retail import config
from tff_retail.learning import decoupled_weight_decay, finite_steps

Rate = Any  # A float, or a float32 [] tensor where a schedule sets it each round.


def build_client_optimizer(
    learning: config.LearningConfig, rate: Rate | None = None
) -> tff.learning.optimizers.Optimizer:
    """The optimiser `learning.client_optimizer`, with decoupled weight decay where it is set.

    With `learning.precision` mixed_float16 it leaves out steps whose gradients overflowed.

    Args:
      learning: its client optimiser, momentum, weight decay and precision are read.
      rate: learning rate of this round; None for `learning.client_rate`.
    """
    builders: dict[str, Callable[[Rate], tff.learning.optimizers.Optimizer]] = {
        "sgd": tff.learning.optimizers.build_sgdm,
        "momentum": lambda r: tff.learning.optimizers.build_sgdm(r, learning.momentum),
        "adam": tff.learning.optimizers.build_adam,
        "adamw": lambda r: tff.learning.optimizers.build_adamw(
            r, weight_decay=learning.weight_decay
        ),
    }
    optimizer = builders[learning.client_optimizer](learning.client_rate if rate is None else rate)
    if learning.weight_decay > 0 and learning.client_optimizer != "adamw":
        optimizer = decoupled_weight_decay.DecoupledWeightDecay(optimizer, learning.weight_decay)
    if learning.precision == "mixed_float16":
        return finite_steps.FiniteSteps(optimizer)
    return optimizer
