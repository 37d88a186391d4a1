"""The two orders of a model's weights: Keras's one list, and TFF's (trainable, non_trainable)."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def split_weights(
    keras_model: tf.keras.Model, weights: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """`weights` in `keras_model.weights` order as TFF's `(trainable, non_trainable)`."""
    pairs = list(zip(keras_model.weights, weights, strict=True))
    trainable = [weight for variable, weight in pairs if variable.trainable]
    return trainable, [weight for variable, weight in pairs if not variable.trainable]


def join_weights(
    keras_model: tf.keras.Model, trainable: Sequence[Any], non_trainable: Sequence[Any]
) -> list[Any]:
    """TFF's two parts as one list in `keras_model.weights` order; undoes `split_weights`."""
    parts = {True: iter(trainable), False: iter(non_trainable)}
    return [next(parts[variable.trainable]) for variable in keras_model.weights]
