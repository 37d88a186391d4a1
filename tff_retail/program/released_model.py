"""A trained recogniser as files: written at the end of a run, read by everything that uses it.

A SavedModel is a program: TensorFlow's operations read and write files and open connections. What
was delivered to a store is therefore never run from there: the network is built anew, by its name
in `model.json`, and gets the numbers of `weights.npz`. `saved_model.pb` is for other programs.

`<run>/model/` is a SavedModel folder with three more files than TensorFlow needs:

    saved_model.pb, variables/   runs with `tf.saved_model.load` alone, without this package
    assets/labels.txt            the labels, one a line
    weights.npz                  the weights in the order of the Keras model
    model.json                   configuration, labels, versions and where it comes from;
                                 metadata.unknown_threshold: see `ReleasedModel`
"""

import dataclasses
import json
import pathlib
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tff_retail.config import ModelConfig
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.learning.weights_file import UNREADABLE
from tff_retail.program.folder_replacement import replace_folder
from tff_retail.program.model_folder import (
    MODEL_FORMAT,
    find_model,
    read_description,
    unreadable_model,
)
from tff_retail.program.serving_signature import build_serving_module
from tff_retail.program.tflite_file import open_tflite_file, read_tflite_description

# Images a call: enough to keep two cores busy, little enough for a small machine at 1024².
_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class ReleasedModel:
    """A model to use, whatever file it came from.

    Attributes:
      labels: names by label index.
      image_size: S, height and width in pixels of the images it takes.
      predict: images uint8 [n, S, S, 3] → probabilities float32 [n, len(labels)].
      unknown_threshold: a photograph whose best probability is below it rather shows none of the
        labels; None of models that were trained before there was one.
    """

    labels: tuple[str, ...]
    image_size: int
    predict: Callable[[np.ndarray], np.ndarray]
    unknown_threshold: float | None = None


def save_released_model(
    folder: pathlib.Path | str,
    *,
    model_config: ModelConfig,
    labels: Sequence[str],
    weights: Sequence[np.ndarray],
    metadata: Mapping[str, Any],
) -> None:
    """Writes a model folder; an existing one stays readable until the new one takes its place.

    Args:
      folder: the SavedModel folder, such as `<run>/model`.
      model_config: which network the weights belong to.
      labels: names by label index.
      weights: arrays in the order of `build_keras_model(...).weights`.
      metadata: JSON values to keep with the model, such as round, accuracy and digests.

    Raises:
      ValueError: the weights do not fit the network.
    """
    model = build_keras_model(model_config, len(labels))
    model.set_weights(list(weights))

    def write(partial: pathlib.Path) -> None:
        labels_file = partial / "labels.txt"
        labels_file.write_text(labels_as_lines(labels), encoding="utf-8")
        _write_saved_model(partial, model, labels, model_config.image_size, labels_file)
        labels_file.unlink()  # it is in assets/ now
        _write_weights(partial / "weights.npz", model)
        description = _describe(model, model_config, labels, metadata)
        (partial / "model.json").write_text(
            json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8"
        )

    replace_folder(pathlib.Path(folder), write)


def load_released_model(path: pathlib.Path | str) -> ReleasedModel:
    """Opens a run directory (its `model/`), a model folder or a `.tflite` file.

    Raises:
      ConfigurationError: there is none, or it can't be read.
    """
    found = find_model(path)
    if found.suffix == ".tflite":
        threshold = _unknown_threshold(read_tflite_description(found))
        return ReleasedModel(*open_tflite_file(found), unknown_threshold=threshold)
    return _open_model_folder(found)


def rebuild_keras_model(folder: pathlib.Path) -> tf.keras.Model:
    """The Keras model of a model folder: `{"image": uint8 [b, S, S, 3]}` → logits.

    Raises:
      ConfigurationError: the folder can't be read.
    """
    description = read_description(folder)
    try:
        config = ModelConfig(**description["model"])
        model = build_keras_model(config, len(description["labels"]))
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable_model(folder / "model.json", error) from error
    try:
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            model.set_weights([arrays[name] for name in sorted(arrays.files)])
    except UNREADABLE as error:
        raise unreadable_model(folder / "weights.npz", error) from error
    return model


def labels_as_lines(labels: Sequence[str]) -> str:
    """The labels one a line; a newline within a label becomes a space, so that lines count."""
    return "".join(" ".join(label.splitlines()) + "\n" for label in labels)


def in_batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Slices of the first axis, each small enough for one call of a network."""
    for start in range(0, len(images), _BATCH_SIZE):
        yield images[start : start + _BATCH_SIZE]


def _write_saved_model(
    folder: pathlib.Path,
    model: tf.keras.Model,
    labels: Sequence[str],
    image_size: int,
    labels_file: pathlib.Path,
) -> None:
    module = build_serving_module(
        model, labels=labels, image_size=image_size, labels_file=labels_file
    )
    signatures = {"serving_default": module.serve, "single_image": module.serve_single}
    tf.saved_model.save(module, str(folder), signatures)


def _write_weights(path: pathlib.Path, model: tf.keras.Model) -> None:
    """Keys such as `00000/conv1/kernel`: sorted they are in the order of the model."""
    names = [weight.name.removesuffix(":0") for weight in model.weights]
    arrays = zip(names, model.get_weights(), strict=True)
    np.savez(path, **{f"{i:05d}/{name}": array for i, (name, array) in enumerate(arrays)})


def _describe(
    model: tf.keras.Model,
    config: ModelConfig,
    labels: Sequence[str],
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "format": MODEL_FORMAT,
        "model": dataclasses.asdict(config),
        "labels": list(labels),
        "num_parameters": int(model.count_params()),
        "metadata": dict(metadata),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }


def _open_model_folder(folder: pathlib.Path) -> ReleasedModel:
    model, description = rebuild_keras_model(folder), read_description(folder)
    labels = tuple(map(str, description["labels"]))

    @tf.function(reduce_retracing=True)
    def probabilities(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model({"image": images}, training=False))

    def predict(images: np.ndarray) -> np.ndarray:
        parts = [probabilities(tf.constant(batch)).numpy() for batch in in_batches(images)]
        return np.concatenate([np.zeros((0, len(labels)), np.float32), *parts])

    image_size = int(description["model"]["image_size"])
    return ReleasedModel(labels, image_size, predict, _unknown_threshold(description))


def _unknown_threshold(description: Mapping[str, Any]) -> float | None:
    threshold = description.get("metadata", {}).get("unknown_threshold")
    return None if threshold is None else float(threshold)
