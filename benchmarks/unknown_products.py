"""Whether a photograph that shows no product of the chain is told so.

    TF_CPP_MIN_LOG_LEVEL=3 python -m benchmarks.unknown_products

Synthetic stores train one recogniser federatedly, which chooses the threshold of an unknown
product from the stores' own counts (`--unknown_share`). It is then shown the validation
photographs the threshold was chosen on, new photographs of the chain's products, photographs of
products the chain does not sell, and pictures without any product. About two minutes on two cores.
"""

import pathlib
import tempfile
from typing import Any

import numpy as np
from absl import app, flags

import tff_retail
from datasets.chain import open_chain
from datasets.image_decoding import decode_content
from datasets.shelf.catalogue import Product, catalogue
from datasets.shelf.photograph import StoreCamera
from datasets.shelf.store_look import store_look
from datasets.synthetic_shelf import write_synthetic_stores
from tff_retail.program.released_model import ReleasedModel, load_released_model
from tff_retail.program.text_table import format_table

_NUM_STORES = flags.DEFINE_integer("num_stores", 5, "Stores of the chain.")
_NUM_LABELS = flags.DEFINE_integer("num_labels", 10, "Products of the chain.")
_NUM_OTHERS = flags.DEFINE_integer("num_others", 30, "Products that it does not sell.")
_IMAGES_PER_STORE = flags.DEFINE_integer("images_per_store", 500, "Photographs of each store.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width of a photograph.")
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds of training.")
_UNKNOWN_SHARE = flags.DEFINE_float("unknown_share", 0.05, "As of python -m tff_retail.train.")
_NUM_SHOWN = flags.DEFINE_integer("num_shown", 600, "New photographs of each kind.")
_SEED = flags.DEFINE_integer("seed", 1, "Of the photographs and the training.")


def _data_config(folder: str) -> tff_retail.DataConfig:
    chain = pathlib.Path(folder, "chain")
    write_synthetic_stores(
        chain,
        num_stores=_NUM_STORES.value,
        num_labels=_NUM_LABELS.value,
        images_per_store=_IMAGES_PER_STORE.value,
        image_size=_IMAGE_SIZE.value,
        alpha=1.0,
        seed=_SEED.value,
    )
    return tff_retail.DataConfig(data_dir=str(chain))


def _train(data: tff_retail.DataConfig, folder: str) -> dict[str, Any]:
    """The run's summary; the model is in `<folder>/run`."""
    return tff_retail.run(
        tff_retail.RunConfig(
            data=data,
            model=tff_retail.ModelConfig(name="simple_cnn", image_size=_IMAGE_SIZE.value),
            schedule=tff_retail.ScheduleConfig(rounds=_ROUNDS.value, seed=_SEED.value),
            output_dir=str(pathlib.Path(folder, "run")),
            unknown_share=_UNKNOWN_SHARE.value,
        )
    )


def _validation(data: tff_retail.DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels that the threshold was chosen on."""
    chain = open_chain(data, _IMAGE_SIZE.value)
    examples = [store.load("validation") for store in chain.stores]
    images = np.concatenate([part.features for part in examples])
    return images, np.concatenate([part.labels for part in examples])


def _photographs(products: tuple[Product, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """New photographs of products, each as often, in the same stores; labels are positions."""
    rng = np.random.default_rng([_SEED.value, seed])
    size = _IMAGE_SIZE.value
    cameras = [
        StoreCamera(store_look(store, rng), image_size=size, rng=rng)
        for store in range(_NUM_STORES.value)
    ]
    labels = np.arange(_NUM_SHOWN.value) % len(products)
    images = [
        decode_content(cameras[number % len(cameras)].photograph(products[label], rng), size)
        for number, label in enumerate(labels)
    ]
    return np.stack(images), labels


def _plain_colours() -> np.ndarray:
    colours = np.random.default_rng(_SEED.value).integers(0, 256, (_NUM_SHOWN.value, 1, 1, 3))
    size = _IMAGE_SIZE.value
    return np.broadcast_to(colours, (len(colours), size, size, 3)).astype(np.uint8)


def _noise() -> np.ndarray:
    shape = (_NUM_SHOWN.value, _IMAGE_SIZE.value, _IMAGE_SIZE.value, 3)
    return np.random.default_rng(_SEED.value).integers(0, 256, shape).astype(np.uint8)


def _blotches() -> np.ndarray:
    """Noise of eight patches a side, enlarged: soft textures as of walls and cloth."""
    import tensorflow as tf

    coarse = np.random.default_rng(_SEED.value).uniform(0, 255, (_NUM_SHOWN.value, 8, 8, 3))
    size = _IMAGE_SIZE.value
    smooth = tf.image.resize(coarse, (size, size), method="bicubic").numpy()
    return np.clip(smooth, 0, 255).astype(np.uint8)


def _row(
    kind: str, model: ReleasedModel, images: np.ndarray, labels: np.ndarray | None = None
) -> list[str]:
    probabilities = model.predict(images)
    is_unknown = probabilities.max(axis=1) < (model.unknown_threshold or 0)
    row = [kind, str(len(images)), f"{is_unknown.mean():.1%}", "–", "–"]
    if labels is not None:
        is_right = probabilities.argmax(axis=1) == labels
        row[3] = f"{is_unknown[is_right].mean():.1%}"
        row[4] = f"{is_right[~is_unknown].mean():.1%}"
    return row


def main(_: list[str]) -> None:
    """Trains, prints the threshold and a line for each kind of photograph."""
    products = catalogue(_NUM_LABELS.value + _NUM_OTHERS.value)
    sold, others = products[: _NUM_LABELS.value], products[_NUM_LABELS.value :]
    with tempfile.TemporaryDirectory() as folder:
        data = _data_config(folder)
        summary = _train(data, folder)
        model = load_released_model(pathlib.Path(folder, "run"))
        rows = [
            _row("validation, threshold chosen on them", model, *_validation(data)),
            _row("new, of the chain's products", model, *_photographs(sold, seed=1)),
            _row("of products it does not sell", model, _photographs(others, seed=2)[0]),
            _row("one plain colour", model, _plain_colours()),
            _row("blotches", model, _blotches()),
            _row("noise", model, _noise()),
        ]
    print(f"\naccuracy {summary['eval_accuracy']:.1%}, ", end="")
    print(f"calibration error (ECE) {summary['confidence']['ece']:.1%}")
    print(f"an unknown product below {model.unknown_threshold or 0:.1%}")
    header = ("photographs", "number", "called unknown", "of the right", "rest right")
    print(format_table(header, rows))


if __name__ == "__main__":
    app.run(main)
