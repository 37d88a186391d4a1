"""A run directory in seconds: a model that tells red, green and blue photographs apart."""

import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image

from tff_retail.config import DataConfig, ModelConfig, RunConfig

LABELS = ("苹果", "green $5", "b" * 200)
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
MODEL = ModelConfig(name="simple_cnn", width_multiplier=0.25, image_size=32)


def colour_images(num_images: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 32, 32, 3] and their labels: noise around one colour a label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images) % len(COLOURS)
    pixels = np.array(COLOURS)[labels][:, None, None, :] + rng.normal(
        0, 25, (num_images, 32, 32, 3)
    )
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


def colour_weights() -> list[np.ndarray]:
    """Weights of `MODEL` without training: the head measures the distance to each label's mean."""
    from tff_retail.learning.initial_weights import initial_weights
    from tff_retail.learning.models.keras_model import build_backbone

    weights = initial_weights(MODEL, len(LABELS), seed=1)
    backbone = build_backbone(MODEL)
    backbone.set_weights(weights[:-2])
    images, labels = colour_images(30)
    features = backbone({"image": images}).numpy()
    means = np.stack([features[labels == label].mean(axis=0) for label in range(len(LABELS))])
    scale = 20 / np.mean(np.square(means - means.mean(axis=0)).sum(axis=1))
    return [*weights[:-2], 2 * scale * means.T, -scale * np.square(means).sum(axis=1)]


def make_colour_run(folder: pathlib.Path) -> pathlib.Path:
    """Writes `<folder>/run` with model and configuration, and the stores it names."""
    from tff_retail.program.released_model import save_released_model

    data_dir, run = folder / "chain", folder / "run"
    for store in range(2):
        for label in range(len(LABELS)):
            write_photographs(data_dir / f"store {store}" / LABELS[label], label, seed=store)
    save_released_model(
        run / "model",
        model_config=MODEL,
        labels=LABELS,
        weights=colour_weights(),
        metadata={"round": 3},
    )
    config = RunConfig(
        data=dataclasses.replace(DataConfig(data_dir=str(data_dir)), validation_fraction=0.4),
        model=MODEL,
    )
    (run / "configuration.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    return run


def save_unsure_model(folder: pathlib.Path) -> None:
    """The same labels at far lower probabilities, all below the threshold of unknown products."""
    from tff_retail.program.released_model import save_released_model

    *backbone, kernel, bias = colour_weights()
    save_released_model(
        folder,
        model_config=MODEL,
        labels=LABELS,
        weights=[*backbone, 0.05 * kernel, 0.05 * bias],
        metadata={"unknown_threshold": 1.0},
    )


def write_photographs(
    folder: pathlib.Path, colour: int, *, num_photographs: int = 5, seed: int = 0
) -> None:
    """Photographs of one colour, larger than the model takes and not square."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, colour])
    for number in range(num_photographs):
        pixels = np.array(COLOURS[colour]) + rng.normal(0, 25, (40, 50, 3))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        image.save(folder / f"{number}.png")
