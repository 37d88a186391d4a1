"""The end of every backbone: one number a channel."""

import tensorflow as tf


def features_of(x: tf.Tensor) -> tf.Tensor:
    """The mean of each channel: [batch, height, width, D] to float32 [batch, D].

    In float32 whatever the network computes in: a sum over a picture loses bits that half
    precision does not have, and what a head is trained on does not depend on the precision.
    """
    return tf.keras.layers.GlobalAveragePooling2D(name="features", dtype="float32")(x)
