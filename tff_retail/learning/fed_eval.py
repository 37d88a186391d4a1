"""Federated evaluation: the model travels, its sums of loss and hits come back."""

import tensorflow_federated as tff

from tff_retail.learning.confidence_counts import with_confidence_counts


def build_fed_eval(
    model: tff.learning.models.FunctionalModel,
) -> tff.learning.templates.LearningProcess:
    """Evaluation `(S@SERVER, {(OrderedDict, label)*}@CLIENTS) -> (S@SERVER, metrics@SERVER)`.

    The state carries the weights (`set_model_weights`). `round_metrics.evaluation_metrics`
    flattens the metrics, `round_metrics.confidence_histogram` takes out how sure the model is.
    A loss that is not finite shows as such.

    Args:
      model: with the metrics of `metrics.build_metrics`.
    """
    return tff.learning.algorithms.build_fed_eval(
        with_confidence_counts(model),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
    )
