"""The features of a frozen backbone, which a store computes once and keeps.

Training a head on kept features is what a frozen backbone is for: the costly part of the network
runs over each photograph once, not once a round.
"""

from typing import Any

import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.config import ModelConfig
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.models.keras_model import build_backbone


def build_feature_computation(
    model: ModelConfig, element_spec: Any, precision: str = "float32"
) -> tff.Computation:
    """`(<{(OrderedDict(image), label)*}, backbone weights> -> features float32 [n, D])`.

    The weights come in as one list, in `build_backbone(model).weights` order; the graph holds
    none.

    Args:
      model: whose backbone it is.
      element_spec: of one batch of photographs and labels.
      precision: what the backbone computes in, one of `config.PRECISIONS`.
    """
    backbone = build_backbone(model, precision)
    functional = build_functional_model(
        lambda: backbone,
        initial_weights=backbone.get_weights(),
        loss=tf.keras.losses.MeanSquaredError(),  # never called: nothing is trained here
        input_spec=element_spec,
    )
    is_trainable = [variable.trainable for variable in backbone.weights]
    weights_type = tff.types.tensorflow_to_type(
        [tf.TensorSpec(variable.shape, variable.dtype) for variable in backbone.weights]
    )
    data_type = tff.SequenceType(tff.types.tensorflow_to_type(element_spec))
    num_features = int(backbone.output_shape[-1])

    @tff.tensorflow.computation(data_type, weights_type)
    def extract_features(dataset: tf.data.Dataset, weights: Any) -> tf.Tensor:
        pairs = list(zip(is_trainable, weights, strict=True))
        split = (
            tuple(weight for trainable, weight in pairs if trainable),
            tuple(weight for trainable, weight in pairs if not trainable),
        )

        @tf.function
        def over_batches() -> tf.Tensor:
            batches = tf.TensorArray(
                tf.float32,
                0,
                dynamic_size=True,
                infer_shape=False,
                element_shape=[None, num_features],
            )
            for image, _ in iter(dataset):
                features = functional.predict_on_batch(split, image, False)
                batches = batches.write(batches.size(), features)
            return batches.concat()

        return over_batches()

    return extract_features
