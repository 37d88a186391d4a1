"""A Keras model as a `tff.learning.models.FunctionalModel`: weights in, predictions out.

`tff.learning.models.functional_model_from_keras` builds the Keras model anew in every trace.
Here the model is traced once; every later trace imports that graph with the weights it was
handed in the variables' place. The graph holds neither weights nor initialisers, so that one
configuration has one digest whatever the seed.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning.loss_scale import scale_gradient
from tff_retail.learning.models.normalization import written_gradients
from tff_retail.learning.weight_order import split_weights


def build_functional_model(
    keras_model_fn: Callable[[], tf.keras.Model],
    *,
    initial_weights: Sequence[np.ndarray],
    loss: Callable[..., tf.Tensor],
    input_spec: tuple[Any, tf.TensorSpec],
    metrics: Any = None,
    loss_scale: float = 1.0,
) -> tff.learning.models.FunctionalModel:
    """`keras_model_fn()` for TFF's learning algorithms.

    Args:
      keras_model_fn: builds a Keras model that keeps no state; called once.
      initial_weights: what a process starts from, in `keras_model.weights` order.
      loss: a `tf.keras.losses.Loss`, or any callable of `y_true`, `y_pred`, `sample_weight`.
      input_spec: `(x, y)` of one batch; x as the model takes it.
      metrics: as `tff.learning.metrics.create_functional_metric_fns` takes them; None for none.
      loss_scale: factor on the gradients between the logits and the weights, where a model in
        half precision computes them; loss and gradients come out unscaled.

    Returns:
      A model whose weights are `split_weights(keras_model, weights)`, as tuples.
    """
    keras_model = keras_model_fn()
    predict = _import_with_weights(keras_model, input_spec[0])

    @tf.function(autograph=False)
    def predict_on_batch(model_weights: Any, x: Any, training: bool = True) -> tf.Tensor:
        del training  # These models compute the same in training.
        trainable, non_trainable = model_weights
        unscaled = [scale_gradient(weight, 1 / loss_scale) for weight in trainable]
        return scale_gradient(predict(unscaled, non_trainable, x), loss_scale)

    def batch_loss(output: tf.Tensor, label: tf.Tensor, sample_weight: Any = None) -> tf.Tensor:
        return loss(y_true=label, y_pred=output, sample_weight=sample_weight)

    trainable, non_trainable = split_weights(keras_model, initial_weights)
    chosen = {}
    if metrics is not None:
        chosen["metrics_fns"] = tff.learning.metrics.create_functional_metric_fns(metrics)
    return tff.learning.models.FunctionalModel(
        initial_weights=(tuple(trainable), tuple(non_trainable)),
        predict_on_batch_fn=predict_on_batch,
        loss_fn=batch_loss,
        input_spec=input_spec,
        **chosen,
    )


def _import_with_weights(
    keras_model: tf.keras.Model, x_spec: Any
) -> Callable[[Sequence, Sequence, Any], tf.Tensor]:
    """A function of (trainable, non_trainable, x) that imports `keras_model`'s graph.

    It must be called inside a `tf.function`: a gradient tape does not see imported operations,
    but it does differentiate the function that holds them.
    """
    traced = tf.function(lambda x: keras_model(x, training=False), autograph=False)
    with written_gradients():
        concrete = traced.get_concrete_function(x_spec)
    (output,) = concrete.outputs
    x_names = [tensor.name for tensor in concrete.inputs[: len(tf.nest.flatten(x_spec))]]
    reads = _reads(keras_model, concrete)
    trainable_reads, non_trainable_reads = split_weights(keras_model, reads)
    given = {*x_names, *(name for names in reads for name in names)}
    graph_def = _between(concrete.graph, given, output.name)

    def predict(trainable: Sequence, non_trainable: Sequence, x: Any) -> tf.Tensor:
        tensors = dict(zip(x_names, tf.nest.flatten(x), strict=True))
        for weights, reads_of in (
            (trainable, trainable_reads),
            (non_trainable, non_trainable_reads),
        ):
            for weight, names in zip(weights, reads_of, strict=True):
                tensors.update(dict.fromkeys(names, tf.convert_to_tensor(weight)))
        (result,) = tf.graph_util.import_graph_def(
            graph_def, input_map=tensors, return_elements=[output.name], name="model"
        )
        return result

    return predict


def _reads(keras_model: tf.keras.Model, concrete: Any) -> list[tuple[str, ...]]:
    """For each of `keras_model.weights`, the tensors of the graph that hold its value."""
    captured = {id(outer): inner for outer, inner in concrete.graph.captures}
    return [
        tuple(read.outputs[0].name for read in captured[id(variable.handle)].consumers())
        for variable in keras_model.weights
    ]


def _between(graph: tf.Graph, given: Collection[str], output: str) -> tf.compat.v1.GraphDef:
    """The operations between the tensors `given` and the tensor `output`."""
    boundary = {graph.get_tensor_by_name(name).op for name in given}
    pending, names = [graph.get_tensor_by_name(output).op], set()
    while pending:
        operation = pending.pop()
        if operation.name not in names and operation not in boundary:
            names.add(operation.name)
            pending += [tensor.op for tensor in operation.inputs]
    graph_def = graph.as_graph_def()
    nodes = [node for node in graph_def.node if node.name in names]
    for node in nodes:  # Control inputs only order the reads, which are not here.
        data_inputs = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data_inputs)
    return tf.compat.v1.GraphDef(node=nodes, versions=graph_def.versions)
