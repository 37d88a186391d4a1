"""Federated evaluation: the model travels, its sums of loss and hits come back."""

import tensorflow_federated as tff


def build_fed_eval(
    model: tff.learning.models.FunctionalModel,
) -> tff.learning.templates.LearningProcess:
    """Evaluation `(S@SERVER, {(OrderedDict, label)*}@CLIENTS) -> (S@SERVER, metrics@SERVER)`.

    The state carries the weights (`set_model_weights`). `round_metrics.evaluation_metrics`
    flattens the metrics. A loss that is not finite shows as such.

    Args:
      model: with the metrics of `metrics.build_metrics`.
    """
    return tff.learning.algorithms.build_fed_eval(
        model, loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR
    )
