import tensorflow as tf

from tff_retail.learning.models.normalization import FrozenBatchNormalization
from tff_retail.learning.weight_order import join_weights, split_weights


def _model() -> tf.keras.Model:
    image = tf.keras.Input((4, 4, 2))
    x = FrozenBatchNormalization(name="norm")(image)
    return tf.keras.Model(image, tf.keras.layers.Conv2D(1, 1, name="conv")(x))


def test_split_keeps_the_order_within_each_part() -> None:
    values = ["gamma", "beta", "mean", "variance", "kernel", "bias"]
    trainable, non_trainable = split_weights(_model(), values)
    assert trainable == ["gamma", "beta", "kernel", "bias"]
    assert non_trainable == ["mean", "variance"]


def test_join_undoes_split() -> None:
    model = _model()
    assert join_weights(model, *split_weights(model, list(range(6)))) == list(range(6))


def test_split_follows_keras() -> None:
    model = _model()
    trainable, non_trainable = split_weights(model, model.weights)
    assert [id(w) for w in trainable] == [id(w) for w in model.trainable_weights]
    assert [id(w) for w in non_trainable] == [id(w) for w in model.non_trainable_weights]
