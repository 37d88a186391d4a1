"""The client learning rate of a round: constant, cosine or step, after a linear warm-up.

Cosine is Loshchilov & Hutter 2017, "SGDR" (https://arxiv.org/abs/1608.03983) without restarts;
step is He et al. 2016, section 4.2 (https://arxiv.org/abs/1512.03385); warm-up is Goyal et al.
2017, section 2.2 (https://arxiv.org/abs/1706.02677). All in rounds where the papers have steps.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tff_retail import config

# He et al. 2016, section 4.2: a tenth at 32k and at 48k of 64k steps.
_STEP_FACTOR = 0.1
_STEP_POSITIONS = (0.5, 0.75)

LearningRate = Callable[[tf.Tensor], tf.Tensor]


def has_schedule(learning: config.LearningConfig) -> bool:
    """Whether the client learning rate differs between rounds."""
    return learning.learning_rate_schedule != "constant" or learning.warmup_rounds > 0


def build_learning_rate(learning: config.LearningConfig, rounds: int) -> LearningRate:
    """The client learning rate as a function of the round.

    Args:
      learning: its client rate, schedule and warm-up are read.
      rounds: rounds of the whole run; later ones keep the last rate.

    Returns:
      A function `(round_num: int32 [], counted from 0) -> float32 []`.
    """
    warmup = learning.warmup_rounds
    shapes: dict[str, LearningRate] = {
        "constant": lambda round_num: tf.constant(1.0),
        "cosine": lambda round_num: _cosine(round_num - warmup, rounds - warmup),
        "step": lambda round_num: _step(round_num, rounds),
    }
    shape = shapes[learning.learning_rate_schedule]

    def rate(round_num: tf.Tensor) -> tf.Tensor:
        # One more than the warm-up in the divisor: the first round after it is the first at full
        # rate, and the first round of all does not have rate 0.
        ramp = tf.cast(round_num + 1, tf.float32) / (warmup + 1)
        return learning.client_rate * tf.minimum(ramp, 1.0) * shape(round_num)

    return rate


def _cosine(position: tf.Tensor, length: int) -> tf.Tensor:
    # The last round is at length - 1, so that it still learns.
    progress = tf.cast(tf.clip_by_value(position, 0, length - 1), tf.float32) / length
    return 0.5 * (1.0 + tf.cos(math.pi * progress))


def _step(round_num: tf.Tensor, rounds: int) -> tf.Tensor:
    boundaries = [math.ceil(position * rounds) for position in _STEP_POSITIONS]
    passed = sum(tf.cast(round_num >= boundary, tf.float32) for boundary in boundaries)
    return tf.pow(_STEP_FACTOR, passed)
