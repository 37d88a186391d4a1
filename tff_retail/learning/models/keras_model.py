"""`--model` as a Keras model: raw photographs in, one score a label out."""

import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.mobilenet_v2 import mobilenet_v2
from tff_retail.learning.models.precision import computing_in
from tff_retail.learning.models.preprocessing import preprocessing
from tff_retail.learning.models.resnet import resnet
from tff_retail.learning.models.simple_cnn import simple_cnn

# The one layer above the backbone; its weights are the last two of the model's.
HEAD_LAYER = "logits"

_BACKBONES = {
    "mobilenet_v2": mobilenet_v2,
    "resnet18": resnet,
    "resnet34": resnet,
    "resnet50": resnet,
    "simple_cnn": simple_cnn,
}


def build_keras_model(
    model: ModelConfig, num_labels: int, precision: str = "float32"
) -> tf.keras.Model:
    """The whole network; its weights are the backbone's, then the head's.

    Nothing in it keeps state or behaves otherwise in training, so one graph serves both.

    Args:
      model: which network.
      num_labels: scores a photograph gets.
      precision: of the backbone's layers, one of `config.PRECISIONS`; weights are float32.

    Returns:
      A model of `{"image": uint8 [batch, image_size, image_size, 3]}` to logits float32
      [batch, num_labels].
    """
    with computing_in(precision):
        image = _image_input(model)
        logits = _head(_features(model, image), num_labels)
        return tf.keras.Model({"image": image}, logits, name=model.name)


def build_backbone(model: ModelConfig, precision: str = "float32") -> tf.keras.Model:
    """The network below its head: `{"image": uint8 [batch, S, S, 3]}` to float32 [batch, D]."""
    with computing_in(precision):
        image = _image_input(model)
        features = _features(model, image)
        return tf.keras.Model({"image": image}, features, name=f"{model.name}_backbone")


def build_head(model: ModelConfig, num_features: int, num_labels: int) -> tf.keras.Model:
    """The head alone: `{"features": float32 [batch, D]}` to logits float32 [batch, num_labels]."""
    features = tf.keras.Input((num_features,), dtype=tf.float32, name="features")
    return tf.keras.Model(
        {"features": features}, _head(features, num_labels), name=f"{model.name}_head"
    )


def _image_input(model: ModelConfig) -> tf.Tensor:
    shape = (model.image_size, model.image_size, 3)
    return tf.keras.Input(shape, dtype=tf.uint8, name="image")


def _features(model: ModelConfig, image: tf.Tensor) -> tf.Tensor:
    return _BACKBONES[model.name](model, preprocessing(model)(image))


def _head(features: tf.Tensor, num_labels: int) -> tf.Tensor:
    # In float32 always: a softmax over many labels needs it, and a head is little work.
    return tf.keras.layers.Dense(num_labels, name=HEAD_LAYER, dtype="float32")(features)
