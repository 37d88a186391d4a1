"""How hard the synthetic shelf is: a linear model on raw pixels beside a small CNN.

    TF_CPP_MIN_LOG_LEVEL=2 python -m benchmarks.shelf_difficulty

Both train centrally on the pooled photographs of the quickstart's stores and are measured on
the same held-out photographs. The linear model is scikit-learn's multinomial logistic
regression, its regularisation chosen in its favour on those very photographs. The CNN is
`--model=simple_cnn` with the defaults of a run: Adam at 0.001, batches of 16, light augmentation.
"""

import pathlib
import tempfile
import time
import warnings

import numpy as np
import tensorflow as tf
from absl import app, flags
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from datasets.augmentation import augment
from datasets.image_decoding import decode_photograph
from datasets.synthetic_shelf import write_synthetic_stores
from tff_retail.config import LearningConfig, ModelConfig
from tff_retail.learning.models.keras_model import build_keras_model

_NUM_STORES = flags.DEFINE_integer("num_stores", 5, "Stores whose photographs are pooled.")
_NUM_LABELS = flags.DEFINE_integer("num_labels", 10, "Products.")
_IMAGES_PER_STORE = flags.DEFINE_integer("images_per_store", 500, "Photographs of each store.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width of a photograph.")
_ALPHA = flags.DEFINE_float("partition_alpha", 1.0, "Concentration of the stores' label skew.")
_SEED = flags.DEFINE_integer("seed", 7, "Of the photographs, the split and the CNN.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of the CNN: rounds x local epochs of a run.")

# Strengths of regularisation tried: at either end the linear model is worse.
_INVERSE_REGULARIZATIONS = (0.0001, 0.001, 0.01, 0.1)
_VALIDATION_FRACTION = 0.2


def _photographs() -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, size, size, 3] and int32 [n], shuffled."""
    with tempfile.TemporaryDirectory() as folder:
        chain = pathlib.Path(folder, "chain")
        write_synthetic_stores(
            chain,
            num_stores=_NUM_STORES.value,
            num_labels=_NUM_LABELS.value,
            images_per_store=_IMAGES_PER_STORE.value,
            image_size=_IMAGE_SIZE.value,
            alpha=_ALPHA.value,
            seed=_SEED.value,
        )
        labels = (chain / "labels.txt").read_text().split()
        files = sorted(chain.glob("*/*/*.jpg"))
        images = np.stack([decode_photograph(file, _IMAGE_SIZE.value) for file in files])
        indices = np.array([labels.index(file.parent.name) for file in files], np.int32)
    order = np.random.default_rng(_SEED.value).permutation(len(files))
    return images[order], indices[order]


def _linear_accuracy(train: tuple, held_out: tuple) -> float:
    """The best of several regularisations, as a share in [0, 1]."""

    def flat(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    scores = []
    for strength in _INVERSE_REGULARIZATIONS:
        model = LogisticRegression(C=strength, max_iter=100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(flat(train[0]), train[1])
        scores.append(model.score(flat(held_out[0]), held_out[1]))
    return max(scores)


def _cnn_accuracy(train: tuple, held_out: tuple) -> float:
    """Of the CNN after `--epochs`, as a share in [0, 1]."""
    learning = LearningConfig()
    tf.keras.utils.set_random_seed(_SEED.value)
    model = build_keras_model(
        ModelConfig(name="simple_cnn", image_size=_IMAGE_SIZE.value), _NUM_LABELS.value
    )
    optimizer = tf.keras.optimizers.Adam(learning.client_rate)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    batches = (
        tf.data.Dataset.from_tensor_slices(train)
        .shuffle(len(train[1]), seed=_SEED.value)
        .batch(learning.batch_size)
        .enumerate()
        .map(lambda step, batch: (_augmented(batch[0], step, learning), batch[1]))
    )
    model.fit(batches, epochs=_EPOCHS.value, verbose=0)
    return model.evaluate({"image": held_out[0]}, held_out[1], verbose=0)[1]


def _augmented(images: tf.Tensor, step: tf.Tensor, learning: LearningConfig) -> dict:
    seed = tf.stack([tf.constant(_SEED.value, tf.int64), step])
    return {"image": augment(images, strength=learning.augmentation, seed=seed)}


def main(_: list[str]) -> None:
    """Prints both accuracies and the gap."""
    start = time.perf_counter()
    images, labels = _photographs()
    print(f"{len(labels)} photographs of {_NUM_LABELS.value} products", end=" ")
    print(f"made and read in {time.perf_counter() - start:.1f} s")
    cut = int(len(labels) * _VALIDATION_FRACTION)
    train, held_out = (images[cut:], labels[cut:]), (images[:cut], labels[:cut])
    linear = 100 * _linear_accuracy(train, held_out)
    print(f"linear model on raw pixels  {linear:5.1f} %")
    cnn = 100 * _cnn_accuracy(train, held_out)
    print(f"small CNN, {_EPOCHS.value:2d} epochs        {cnn:5.1f} %")
    print(f"gap                         {cnn - linear:5.1f} points")


if __name__ == "__main__":
    app.run(main)
