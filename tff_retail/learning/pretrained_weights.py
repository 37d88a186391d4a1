"""`--weights`: what of a network's first weights was learned elsewhere."""

import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tff_retail.config import ConfigurationError, ModelConfig, require
from tff_retail.learning.imagenet_weights import (
    fetch_imagenet_weights,
    read_published_weights,
    require_published,
)
from tff_retail.learning.models.keras_model import HEAD_LAYER
from tff_retail.learning.weights_file import UNREADABLE, StoredArray, open_weights_file

# Keras's layers whose variables are those of ours, by class.
_KERAS_CLASSES = {
    "ChannelGroupNormalization": "GroupNormalization",
    "FrozenBatchNormalization": "BatchNormalization",
}


def require_loadable(model: ModelConfig) -> None:
    """Checks what can be checked of `--weights` before anything slow starts.

    Raises:
      ConfigurationError: no such weights were published, or there is no such file.
    """
    if model.weights == "imagenet":
        require_published(model)
    elif model.weights != "none":
        _existing_file(model)


def load_pretrained_weights(
    model: ModelConfig, keras_model: tf.keras.Model, fresh: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """`fresh`, with everything replaced that `model.weights` provides.

    The backbone has to be there whole. A head for another number of labels is left as it is in
    `fresh`.

    Args:
      model: `weights` is `none`, `imagenet`, a weights file or a run directory.
      keras_model: whose weights are meant.
      fresh: in `keras_model.weights` order.

    Returns:
      float32 arrays in `keras_model.weights` order.

    Raises:
      ConfigurationError: the weights can't be had, can't be read, or belong to another network.
    """
    if model.weights == "none":
        return list(fresh)
    if model.weights == "imagenet":
        found = fetch_imagenet_weights(model)
    else:
        found = _read_file(model, keras_model)
    pairs = zip(keras_model.weights, fresh, strict=True)
    return [_chosen(model, variable, found, value) for variable, value in pairs]


def _chosen(
    model: ModelConfig, variable: tf.Variable, found: Mapping[str, np.ndarray], fresh: np.ndarray
) -> np.ndarray:
    name = _name(variable)
    if name not in found and not _is_head(name):
        raise _misfit(model, f"which has no {name}")
    value = np.asarray(found.get(name, fresh), np.float32)
    if not np.all(np.isfinite(value)):
        raise _misfit(model, f"whose {name} is not finite")
    return value


def _read_file(model: ModelConfig, keras_model: tf.keras.Model) -> dict[str, np.ndarray]:
    path = _existing_file(model)
    try:
        with open_weights_file(path) as stored:
            found = _fitting(model, keras_model, _with_our_names(stored, keras_model))
        if not found and _may_be_published(model):
            found = read_published_weights(model, path)
    except ConfigurationError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"--weights must be a Keras weights file (.h5, .keras) or a run directory, found "
            f"{model.weights!r}, which can't be read ({reason[:200]}); check the file"
        ) from error
    return found


def _existing_file(model: ModelConfig) -> pathlib.Path:
    """The file that `model.weights` names, or the one in the run directory or model it names."""
    path = pathlib.Path(model.weights).expanduser()
    candidates = (path, path / "weights.npz", path / "model" / "weights.npz")
    files = [candidate for candidate in candidates if candidate.is_file()]
    require(
        bool(files),
        "weights",
        "none, imagenet, a Keras weights file or the directory of a finished run",
        model.weights,
        "check the path",
    )
    return files[0]


def _fitting(
    model: ModelConfig, keras_model: tf.keras.Model, stored: Mapping[str, StoredArray]
) -> dict[str, np.ndarray]:
    """The arrays of the network's names, all of the network's shapes but for the head's."""
    found = {}
    for variable in keras_model.weights:
        name, shape = _name(variable), tuple(variable.shape)
        array = stored.get(name)
        if array is not None and array.shape == shape:
            found[name] = array.read()
        elif array is not None and not _is_head(name):
            raise _misfit(model, f"whose {name} has shape {array.shape} in place of {shape}")
        if model.normalization == "group" and _moving_mean_beside(name) in stored:
            raise _misfit(model, "whose layers are BatchNormalization (frozen_batch)")
    return found if _has_backbone(found) else {}


def _moving_mean_beside(name: str) -> str:
    return f"{name.rpartition('/')[0]}/moving_mean"


def _has_backbone(names: Mapping[str, np.ndarray]) -> bool:
    return any(not _is_head(name) for name in names)


def _may_be_published(model: ModelConfig) -> bool:
    try:
        require_published(model)
    except ConfigurationError:
        return False
    return model.normalization == "frozen_batch"


def _with_our_names(
    stored: Mapping[str, StoredArray], keras_model: tf.keras.Model
) -> dict[str, StoredArray]:
    """`stored`, with Keras's numbered names (`conv2d_1/0`) turned into names (`conv2/kernel`)."""
    renamed = dict(stored)
    counts: dict[str, int] = {}
    for layer in keras_model.layers:
        kind = type(layer).__name__
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        for position, variable in enumerate(layer.weights):
            for spelling in {kind, _KERAS_CLASSES.get(kind, kind)}:
                numbered = f"{_snake_case(spelling)}{f'_{number}' if number else ''}/{position}"
                if numbered in stored:
                    renamed[_name(variable)] = stored[numbered]
    return renamed


def _snake_case(class_name: str) -> str:
    """As Keras names layers of a class: `Conv2D` → `conv2d`, `ReLU` → `re_lu`."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _name(variable: tf.Variable) -> str:
    return variable.name.removesuffix(":0")


def _is_head(name: str) -> bool:
    return name.startswith(f"{HEAD_LAYER}/")


def _misfit(model: ModelConfig, difference: str) -> ConfigurationError:
    return ConfigurationError(
        f"--weights must fit --model={model.name} --width_multiplier={model.width_multiplier} "
        f"--normalization={model.normalization}, found {model.weights!r}, {difference}; set these "
        "flags as they were where the weights were made"
    )
