"""The loss a store minimises: cross entropy from logits, with label smoothing where asked for.

Keras 2.14 smooths one-hot labels only, and a store's labels are indices. Label smoothing is
Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", section 7
(https://arxiv.org/abs/1512.00567).
"""

import tensorflow as tf

from tff_retail import config


class _SmoothedCrossEntropy(tf.keras.losses.Loss):
    """Cross entropy against `(1 - smoothing) * one_hot + smoothing / num_labels`."""

    def __init__(self, smoothing: float, num_labels: int) -> None:
        super().__init__(name="smoothed_cross_entropy")
        self._smoothing = smoothing
        self._num_labels = num_labels

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return tf.keras.losses.categorical_crossentropy(
            tf.one_hot(tf.cast(y_true, tf.int32), self._num_labels),
            y_pred,
            from_logits=True,
            label_smoothing=self._smoothing,
        )


def build_loss(learning: config.LearningConfig, num_labels: int) -> tf.keras.losses.Loss:
    """The training loss, a mean over the batch.

    Evaluation reports the unsmoothed loss, whatever is set here (`metrics.build_metrics`).

    Args:
      learning: its `label_smoothing` is read.
      num_labels: length of the logits.

    Returns:
      A Keras loss `(label: int32 [batch], logits: float32 [batch, num_labels]) -> float32 []`.
    """
    if learning.label_smoothing == 0:
        return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _SmoothedCrossEntropy(learning.label_smoothing, num_labels)
