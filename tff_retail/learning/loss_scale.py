"""Loss scaling: keeps gradients within float16's range (Micikevicius et al. 2018, section 3.2).

float16 holds nothing below 6e-8, where many gradients of activations lie. Scaled up at the logits
and down again at the float32 weights, they pass the layers between without being rounded to zero.
The loss itself is not touched, so that what is reported needs no unscaling. Keras's
`LossScaleOptimizer` does not fit TFF's functional training, whose state is handed round.
https://arxiv.org/abs/1710.03740
"""

import tensorflow as tf

# The paper trained with constant factors from 8 to 32,768. A mean cross entropy has gradients of at
# most 1 at the logits, and those of weights seldom pass 10: a factor of 2^10 leaves room for six
# times that below float16's 65,504, and a step that overflows all the same is left out
# (`finite_steps`). A power of two changes no bits of a mantissa.
_FLOAT16_FACTOR = 1024.0


def loss_scale(precision: str) -> float:
    """The factor for one of `config.PRECISIONS`; 1 where the exponent has float32's range."""
    return _FLOAT16_FACTOR if precision == "mixed_float16" else 1.0


def scale_gradient(tensor: tf.Tensor, factor: float) -> tf.Tensor:
    """`tensor`, whose gradient is multiplied by `factor`."""
    if factor == 1:
        return tensor

    @tf.custom_gradient
    def scaled(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        return tf.identity(x), lambda gradient: gradient * factor

    return scaled(tensor)
