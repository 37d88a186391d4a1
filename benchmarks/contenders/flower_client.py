"""Flower's client: a Keras model trained on one store's pictures.

The model is built and traced once in every actor. A client of 50 pictures trains in one call of
a `tf.function`: of what was tried on the small CNN that costs the processor least, half of
`model.fit`, with or without `steps_per_execution`, and less than a loop of `train_on_batch`.

In a module of its own, which Flower's actors import: what lies in `__main__` would be sent to
them by value with every message, and no cache would last.
"""

import functools

import numpy as np
import tensorflow as tf
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from benchmarks.contenders.keras_training import KerasTraining
from benchmarks.contenders.thread_settings import set_threads
from benchmarks.workloads import WORKLOADS

client_app = ClientApp()


@functools.cache
def _training(workload_name: str) -> KerasTraining:
    """The actor's model, built and traced once."""
    set_threads(intra=1, inter=1)
    return KerasTraining(WORKLOADS[workload_name])


@functools.cache
def _examples(path: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as arrays:
        return arrays["images"], arrays["labels"]


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """One epoch over the pictures of this client's store."""
    config = message.content["config"]
    training = _training(config["workload"])
    store = context.node_config["partition-id"]
    images, labels = (array[store] for array in _examples(config["examples"]))
    batches = (-1, WORKLOADS[config["workload"]].batch_size)
    training.model.set_weights(message.content["arrays"].to_numpy_ndarrays())
    training.epoch(
        tf.constant(images.reshape(*batches, *images.shape[1:])),
        tf.constant(labels.reshape(batches)),
    )
    content = RecordDict(
        {
            "arrays": ArrayRecord(training.model.get_weights()),
            "metrics": MetricRecord({"num-examples": len(labels)}),
        }
    )
    return Message(content, reply_to=message)
