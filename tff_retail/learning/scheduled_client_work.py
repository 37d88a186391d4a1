"""A store's training with a learning rate that headquarters sets anew each round.

TFF's own, `tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule`, fails on
functional models in 0.87: it hands the update `ModelWeights` where a plain tuple is expected.
Here the rate also is worked out at headquarters and broadcast, so that what a store runs (and
approves) is the same for every schedule and number of rounds.
"""

import collections
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail import config
from tff_retail.learning import (
    client_optimizer,
    learning_rate,
    training_metrics_aggregator,
)


def build_scheduled_client_work(
    model: tff.learning.models.FunctionalModel,
    weights_type: tff.Type,
    learning: config.LearningConfig,
    rounds: int,
) -> tff.learning.templates.ClientWorkProcess:
    """Client work whose state is the number of the round, int32 from 0.

    Measurements: `train` (the model's metrics) and `client_learning_rate` (float32).

    Args:
      model: what is trained.
      weights_type: of its `tff.learning.models.ModelWeights`.
      learning: client optimiser, rate, schedule and warm-up are read.
      rounds: rounds of the whole run.
    """
    data_type = tff.SequenceType(tff.types.tensorflow_to_type(model.input_spec))
    update = _build_update(model, weights_type, data_type, learning)
    rate_of_round = tff.tensorflow.computation(
        tf.function(learning_rate.build_learning_rate(learning, rounds)), np.int32
    )
    aggregate_metrics = training_metrics_aggregator.build_training_metrics_aggregator(
        model.finalize_metrics
    )

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_value(0, tff.SERVER)

    @tff.federated_computation(
        initialize.type_signature.result,
        tff.FederatedType(weights_type, tff.CLIENTS),
        tff.FederatedType(data_type, tff.CLIENTS),
    )
    def next_fn(round_num: Any, weights: Any, data: Any) -> Any:
        rate = tff.federated_map(rate_of_round, round_num)
        result, sums = tff.federated_map(update, (weights, data, tff.federated_broadcast(rate)))
        measurements = collections.OrderedDict(
            train=aggregate_metrics(sums), client_learning_rate=rate
        )
        return tff.templates.MeasuredProcessOutput(
            tff.federated_map(_add_one, round_num), result, tff.federated_zip(measurements)
        )

    return tff.learning.templates.ClientWorkProcess(initialize, next_fn)


def _build_update(
    model: tff.learning.models.FunctionalModel,
    weights_type: tff.Type,
    data_type: tff.Type,
    learning: config.LearningConfig,
) -> tff.Computation:
    """`(weights, data, rate) -> (ClientResult, sums of the metrics)`, at one store."""

    @tff.tensorflow.computation(weights_type, data_type, np.float32)
    def update(weights: Any, data: Any, rate: Any) -> Any:
        # Not in TFF's public names, and the one thing taken from behind them: the loop over a
        # store's batches, the same that `build_weighted_fed_avg` runs.
        train = tff.learning.templates.model_delta_client_work.build_functional_model_delta_update(
            model=model,
            weighting=tff.learning.ClientWeighting.NUM_EXAMPLES,
            loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        )
        optimizer = client_optimizer.build_client_optimizer(learning, rate)
        return train(optimizer, (weights.trainable, weights.non_trainable), data)

    return update


@tff.tensorflow.computation(np.int32)
def _add_one(round_num: Any) -> Any:
    return round_num + 1
