"""The workloads of the speed benchmarks: how many stores, which model, which pictures.

The pictures are noise: speed does not depend on what they show.
"""

import dataclasses
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Federated training of which one round is timed.

    Attributes:
      model: a `--model` of tff_retail, or `pfl_cnn`.
      image_size: height and width of the pictures.
      num_stores: of the chain.
      cohort_size: stores that train in a round.
      examples_per_store: pictures each of them has.
      batch_size: pictures in a batch.
      num_labels: what is told apart.
      learning_rate: of the clients' SGD.
    """

    model: str
    image_size: int
    num_stores: int
    cohort_size: int
    examples_per_store: int
    batch_size: int
    num_labels: int = 10
    learning_rate: float = 0.01

    @property
    def examples_per_round(self) -> int:
        """Pictures trained on in one round."""
        return self.cohort_size * self.examples_per_store


def _few_large(model: str, image_size: int) -> Workload:
    return Workload(
        model=model,
        image_size=image_size,
        num_stores=5,
        cohort_size=5,
        examples_per_store=256,
        batch_size=16,
    )


WORKLOADS = {
    "mobilenet_v2_32": _few_large("mobilenet_v2", 32),
    "mobilenet_v2_96": _few_large("mobilenet_v2", 96),
    "resnet18_32": _few_large("resnet18", 32),
    # pfl-research's benchmark (Granqvist et al. 2024): 1,000 users of CIFAR-10's 50,000 pictures.
    "many_small": Workload(
        model="pfl_cnn",
        image_size=32,
        num_stores=1000,
        cohort_size=50,
        examples_per_store=50,
        batch_size=10,
    ),
    # For the tests of the contenders.
    "smoke": Workload(
        model="simple_cnn",
        image_size=32,
        num_stores=4,
        cohort_size=4,
        examples_per_store=20,
        batch_size=10,
    ),
}


def write_examples(workload: Workload, path: pathlib.Path, seed: int = 0) -> None:
    """Writes `images` uint8 [stores, examples, size, size, 3] and `labels` int32 [stores, examples]
    as an `.npz` file without compression."""
    generator = np.random.default_rng(seed)
    shape = (workload.num_stores, workload.examples_per_store)
    size = workload.image_size
    np.savez(
        path,
        images=generator.integers(0, 256, (*shape, size, size, 3), np.uint8),
        labels=generator.integers(0, workload.num_labels, shape, np.int32),
    )


def cohort(workload: Workload, round_num: int) -> np.ndarray:
    """The numbers of the stores that train in a round, int64 [cohort_size]."""
    generator = np.random.default_rng(round_num)
    return np.sort(generator.choice(workload.num_stores, workload.cohort_size, replace=False))


def build_model(workload: Workload):  # type: ignore[no-untyped-def]
    """The Keras model: `{"image": uint8 [batch, size, size, 3]}` to logits [batch, num_labels].

    The same layers for every contender; TensorFlow is imported here.
    """
    if workload.model == "pfl_cnn":
        return _pfl_cnn(workload)
    from tff_retail.config import ModelConfig
    from tff_retail.learning.models.keras_model import build_keras_model

    config = ModelConfig(name=workload.model, image_size=workload.image_size)
    return build_keras_model(config, workload.num_labels)


def _pfl_cnn(workload: Workload):  # type: ignore[no-untyped-def]
    """pfl-research's `simple_cnn` of 1.6 M parameters, without its two dropouts."""
    import tensorflow as tf

    layers = tf.keras.layers
    image = tf.keras.Input(
        (workload.image_size, workload.image_size, 3), dtype="uint8", name="image"
    )
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return tf.keras.Model({"image": image}, layers.Dense(workload.num_labels)(x))
