"""What no policy of a store prevents: photographs can be read out of an update that it allows.

Headquarters sends crafted weights to an ordinary network with a wide first layer. Every unit of
that layer fires for the photographs brighter than its own threshold, so that the gradients of two
neighbouring units differ by those between, often a single one; divided by the difference of the
biases' gradients it is that photograph. The sum over a whole store does not hide it. Only secure
aggregation with enough stores, or noise, would. docs/security.md says so.

Fowl, Geiping, Czaja, Goldblum, Goldstein, 'Robbing the Fed: Directly Obtaining Private Data in
Federated Learning with Modified Models', ICLR 2022, section 3, https://arxiv.org/abs/2110.13057
"""

import pathlib

import numpy as np
import tensorflow as tf

from datasets.image_decoding import decode_photograph
from tests.integration.attacked_store import IMAGE_SIZE, tiny_work
from tests.integration.store_daemons import LABELS, make_photographs

_PIXELS = IMAGE_SIZE * IMAGE_SIZE * 3
_UNITS = 512
_SHAPES = ([_PIXELS, _UNITS], [_UNITS], [_UNITS, len(LABELS)])


def _gradient(data: tf.data.Dataset, weights: tuple[tf.Tensor, ...]):
    """One step of FedSGD of a network with one hidden layer: nothing a reviewer would stop at."""

    def add(state, batch):
        features, labels = batch
        pixels = tf.reshape(tf.cast(features["image"], tf.float32) / 255, [-1, _PIXELS])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            hidden = tf.nn.relu(pixels @ weights[0] + weights[1])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, hidden @ weights[2])
            loss = tf.reduce_sum(losses)
        gradients = tape.gradient(loss, weights)
        sums = tuple(a + b for a, b in zip(state[0], gradients, strict=True))
        return sums, state[1] + tf.size(labels, tf.int64)

    nothing = tuple(tf.zeros(shape) for shape in _SHAPES)
    update, num_examples = data.reduce((nothing, np.int64(0)), add)
    return ({"update": update, "num_examples": num_examples},)


def _crafted_weights(thresholds: np.ndarray) -> list[np.ndarray]:
    """All units measure brightness, each above its threshold, and weigh alike in the loss."""
    brightness = np.full(_SHAPES[0], 1 / _PIXELS, np.float32)
    output = np.tile(np.array([0.01, 0, -0.01], np.float32), (_UNITS, 1))
    return [brightness, -thresholds.astype(np.float32), output]


def _photographs_within(by_pixels: np.ndarray, by_bias: np.ndarray) -> list[np.ndarray]:
    """What lies between neighbouring thresholds, uint8 [32, 32, 3]: a photograph or a mixture."""
    found = []
    for unit in range(_UNITS - 1):
        weight = by_bias[unit] - by_bias[unit + 1]
        if abs(weight) > 1e-6:
            pixels = (by_pixels[:, unit] - by_pixels[:, unit + 1]) / weight
            found.append(np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8))
    return [pixels.reshape(IMAGE_SIZE, IMAGE_SIZE, 3) for pixels in found]


def _decoded(folder: pathlib.Path) -> np.ndarray:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return np.stack([decode_photograph(path, IMAGE_SIZE) for path in paths])


def test_crafted_weights_take_single_photographs_out_of_a_lawful_update(attack, tmp_path):
    similar = _decoded(make_photographs(tmp_path / "of the attacker's own", seed=99))
    brightness = similar.reshape(len(similar), -1).mean(axis=1) / 255
    thresholds = np.linspace(brightness.min() - 0.01, brightness.max() + 0.01, _UNITS)
    work = tiny_work(_gradient, [(np.float32, shape) for shape in _SHAPES])

    attack.agree(train=work)
    result = attack.ask(work, _crafted_weights(thresholds))
    (by_pixels,) = [leaf for leaf in result if list(leaf.shape) == _SHAPES[0]]
    (by_bias,) = [leaf for leaf in result if list(leaf.shape) == _SHAPES[1]]

    stolen = _photographs_within(by_pixels, by_bias)
    private = _decoded(attack.data_dir).astype(int)
    errors = np.array([np.abs(private - each).max(axis=(1, 2, 3)).min() for each in stolen])
    assert np.count_nonzero(errors <= 1) >= 3, sorted(errors)  # of 255, the largest of all pixels
