import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.learning.decoupled_weight_decay import DecoupledWeightDecay


def _three_steps(optimizer: tff.learning.optimizers.Optimizer) -> np.ndarray:
    weights = tf.constant([1.0, -2.0])
    state = optimizer.initialize(tf.TensorSpec((2,), tf.float32))
    for gradient in ([0.5, 1.0], [-0.3, 0.2], [0.1, -0.4]):
        state, weights = optimizer.next(state, weights, tf.constant(gradient))
    return weights.numpy()


def test_around_adam_it_is_adamw():
    adam = tff.learning.optimizers.build_adam(0.1)
    adamw = tff.learning.optimizers.build_adamw(0.1, weight_decay=0.2)
    found = _three_steps(DecoupledWeightDecay(adam, 0.2))
    np.testing.assert_allclose(found, _three_steps(adamw), rtol=1e-6)


def test_a_weight_without_gradient_stays():
    optimizer = DecoupledWeightDecay(tff.learning.optimizers.build_sgdm(0.1), 0.5)
    specs = (tf.TensorSpec((), tf.float32),) * 2
    weights = (tf.constant(2.0), tf.constant(3.0))
    _, stepped = optimizer.next(optimizer.initialize(specs), weights, (None, tf.constant(0.0)))
    np.testing.assert_allclose(stepped, (2.0, 3.0 - 0.1 * 0.5 * 3.0))


def test_hyperparameters_are_those_of_the_optimizer_inside():
    optimizer = DecoupledWeightDecay(tff.learning.optimizers.build_sgdm(0.1), 0.5)
    state = optimizer.initialize(tf.TensorSpec((), tf.float32))
    assert optimizer.get_hparams(state) == {"learning_rate": 0.1}
    state = optimizer.set_hparams(state, {"learning_rate": 1.0})
    _, weight = optimizer.next(state, tf.constant(2.0), tf.constant(0.25))
    assert float(weight) == 2.0 - 0.25 - 0.5 * 2.0
