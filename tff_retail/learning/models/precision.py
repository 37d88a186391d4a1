"""Which numbers a Keras model computes in; its variables are float32 in each case.

Mixed precision (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740): convolutions, which
are most of the work, take and give 16-bit numbers; what is summed over a picture stays float32.
"""

import contextlib
import logging
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers made within compute in `precision`, one of `config.PRECISIONS`.

    The policy is Keras's global one: it is put back afterwards, and only one thread at a time may
    build models.
    """
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(_policy(precision))
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def _policy(precision: str) -> tf.keras.mixed_precision.Policy:
    """The policy, without Keras's remark on the machine: a run says it in a line of its own."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return tf.keras.mixed_precision.Policy(precision)
    finally:
        logger.setLevel(level)
