"""Federated averaging, weighted by examples.

McMahan et al. 2017, algorithm 1 (https://arxiv.org/abs/1602.05629), with an optimiser at
headquarters (Reddi et al. 2021, algorithm 1, https://arxiv.org/abs/2003.00295).
"""

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail import config
from tff_retail.learning import (
    broadcast,
    client_optimizer,
    learning_rate,
    scheduled_client_work,
    server_optimizer,
    training_metrics_aggregator,
    update_aggregator,
)


def build_fed_avg(
    model: tff.learning.models.FunctionalModel, learning: config.LearningConfig, rounds: int
) -> tff.learning.templates.LearningProcess:
    """FedAvg `(S@SERVER, {(OrderedDict, label)*}@CLIENTS) -> (S@SERVER, metrics@SERVER)`.

    `round_metrics.training_metrics` flattens the metrics of a round.

    Args:
      model: with the metrics of `metrics.build_metrics` and the loss of `loss.build_loss`.
      learning: optimisers, rates, schedule, weight decay, clipping and what travels are read.
      rounds: rounds of the whole run, which a learning-rate schedule is laid over.
    """
    if learning_rate.has_schedule(learning):
        return _build_scheduled_fed_avg(model, learning, rounds)
    return tff.learning.algorithms.build_weighted_fed_avg(
        model,
        client_optimizer_fn=client_optimizer.build_client_optimizer(learning),
        server_optimizer_fn=server_optimizer.build_server_optimizer(learning),
        model_distributor=broadcast.build_broadcast(
            _build_initial_weights(model).type_signature.result, learning.broadcast_dtype
        ),
        model_aggregator=_build_aggregator(learning),
        metrics_aggregator=training_metrics_aggregator.build_training_metrics_aggregator,
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
    )


def _build_scheduled_fed_avg(
    model: tff.learning.models.FunctionalModel, learning: config.LearningConfig, rounds: int
) -> tff.learning.templates.LearningProcess:
    """The parts that `build_weighted_fed_avg` composes, with client work that has a schedule."""
    initial_weights = _build_initial_weights(model)
    weights_type = initial_weights.type_signature.result
    return tff.learning.templates.compose_learning_process(
        initial_weights,
        broadcast.build_broadcast(weights_type, learning.broadcast_dtype),
        scheduled_client_work.build_scheduled_client_work(model, weights_type, learning, rounds),
        _build_aggregator(learning).create(weights_type.trainable, tff.TensorType(np.float32)),
        tff.learning.templates.build_apply_optimizer_finalizer(
            server_optimizer.build_server_optimizer(learning), weights_type
        ),
    )


def _build_aggregator(
    learning: config.LearningConfig,
) -> update_aggregator.UpdateAggregatorFactory:
    return update_aggregator.UpdateAggregatorFactory(
        learning.update_clip_norm, learning.update_dtype
    )


def _build_initial_weights(model: tff.learning.models.FunctionalModel) -> tff.Computation:
    """A computation `( -> tff.learning.models.ModelWeights)`."""

    @tff.tensorflow.computation
    def initial_weights() -> tff.learning.models.ModelWeights:
        trainable, non_trainable = model.initial_weights
        return tff.learning.models.ModelWeights(
            tuple(tf.convert_to_tensor(weight) for weight in trainable),
            tuple(tf.convert_to_tensor(weight) for weight in non_trainable),
        )

    return initial_weights
