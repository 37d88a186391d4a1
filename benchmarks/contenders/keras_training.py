"""A Keras model and the two `tf.function`s that train it without `fit`: a step, and an epoch."""

import tensorflow as tf

from benchmarks.workloads import Workload, build_model


class KerasTraining:
    """Training with a workload's batches.

    Keras' older SGD, for it is one operation in place; its newer one multiplies, then adds.

    Attributes:
      model: what is trained.
      step: a function of `images` uint8 [batch, size, size, 3] and `labels` int32 [batch].
      epoch: a function of `images` uint8 [steps, batch, size, size, 3] and `labels` int32 [steps,
        batch], which takes the steps one after the other inside the graph.
    """

    def __init__(self, workload: Workload) -> None:
        self.model = build_model(workload)
        self._loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._optimizer = tf.keras.optimizers.legacy.SGD(workload.learning_rate)
        size = workload.image_size
        images = tf.TensorSpec([workload.batch_size, size, size, 3], tf.uint8)
        labels = tf.TensorSpec([workload.batch_size], tf.int32)
        self.step = tf.function(self._step, input_signature=(images, labels))
        self.epoch = tf.function(self._epoch, input_signature=(_many(images), _many(labels)))

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self._loss(labels, self.model({"image": images}, training=True))
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def _epoch(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        for number in tf.range(tf.shape(labels)[0]):
            self._step(images[number], labels[number])


def _many(spec: tf.TensorSpec) -> tf.TensorSpec:
    return tf.TensorSpec([None, *spec.shape], spec.dtype)
