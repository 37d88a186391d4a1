"""The optimiser headquarters takes the mean update in with.

Reddi et al. 2021, "Adaptive Federated Optimization" (https://arxiv.org/abs/2003.00295); its
algorithm 2 with SGD at rate 1 is FedAvg (McMahan et al. 2017), with momentum FedAvgM (Hsu et
al. 2019).
"""

from collections.abc import Callable

import tensorflow_federated as tff

from tff_retail import config

# Reddi et al. 2021, section 5.1 and appendix D: beta_2 = 0.99 (rounds are few), adaptivity
# tau = 1e-3, and accumulators that start at tau squared. TFF's own defaults are made for single
# gradients: Adagrad's accumulator of 0.1 would drown a mean update, whose squares are near 1e-6.
_BETA_2 = 0.99
_ADAPTIVITY = 1e-3


def build_server_optimizer(
    learning: config.LearningConfig,
) -> tff.learning.optimizers.Optimizer:
    """The optimiser `learning.server_optimizer`, at `learning.server_rate`."""
    rate = learning.server_rate
    builders: dict[str, Callable[[], tff.learning.optimizers.Optimizer]] = {
        "sgd": lambda: tff.learning.optimizers.build_sgdm(rate),
        "momentum": lambda: tff.learning.optimizers.build_sgdm(rate, learning.momentum),
        "adam": lambda: tff.learning.optimizers.build_adam(
            rate, beta_2=_BETA_2, epsilon=_ADAPTIVITY
        ),
        "yogi": lambda: tff.learning.optimizers.build_yogi(
            rate,
            beta_2=_BETA_2,
            epsilon=_ADAPTIVITY,
            initial_preconditioner_value=_ADAPTIVITY**2,
        ),
        "adagrad": lambda: tff.learning.optimizers.build_adagrad(
            # TFF adds Adagrad's epsilon inside the square root.
            rate,
            initial_preconditioner_value=_ADAPTIVITY**2,
            epsilon=_ADAPTIVITY**2,
        ),
    }
    return builders[learning.server_optimizer]()
