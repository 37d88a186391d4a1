"""ImageNet weights as Keras publishes them: fetched once, checked by hash every time."""

import contextlib
import hashlib
import os
import pathlib
import socket
import tempfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

# Keras's addresses and hashes are not in its public interface, and a copy of them could go stale.
from keras.src.applications import mobilenet_v2 as keras_mobilenet_v2
from keras.src.applications import resnet as keras_resnet

from tff_retail.config import ConfigurationError, ModelConfig, require

# What keras.applications.MobileNetV2 has been published for.
_MOBILENET_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_MOBILENET_SIZES_PX = (96, 128, 160, 192, 224)
# A connection that says nothing for so long is no connection.
_SILENCE_S = 30


def require_published(model: ModelConfig) -> None:
    """Checks, without a network, that ImageNet weights of `model` exist.

    Raises:
      ConfigurationError: nobody published them.
    """
    require(
        model.name in ("mobilenet_v2", "resnet50"),
        "weights",
        "none or a file with a model that has no published ImageNet weights",
        model.weights,
        f"only mobilenet_v2 and resnet50 have them, --model is {model.name}",
    )
    widths = _MOBILENET_WIDTHS if model.name == "mobilenet_v2" else (1.0,)
    require(
        model.width_multiplier in widths,
        "width_multiplier",
        f"one of {', '.join(map(str, widths))} with --weights=imagenet and --model={model.name}",
        model.width_multiplier,
    )


def fetch_imagenet_weights(
    model: ModelConfig, keras_home: pathlib.Path | None = None
) -> dict[str, np.ndarray]:
    """The published weights of `model`'s backbone by `layer/variable`.

    MobileNetV2's are those of the published image size nearest to `model.image_size`. Files are
    kept in `keras_home` (Keras's own folder by default). ResNet50's has the hash that Keras
    states; Keras states none for MobileNetV2's, so its SHA-256 is noted beside it when it first
    arrives and compared from then on.

    Raises:
      ConfigurationError: there are none, there is no network, or the file is not the one it was.
    """
    require_published(model)
    name, origin, md5 = _published_file(model)
    path = (keras_home or _keras_home()) / "models" / name
    if not path.exists():
        _download(path, origin)
    _check_hash(path, md5)
    return read_published_weights(model, path)


def read_published_weights(model: ModelConfig, path: pathlib.Path) -> dict[str, np.ndarray]:
    """The backbone's weights by `layer/variable` from a file as Keras publishes them.

    Layers in these files have no dependable names, only Keras's order; Keras's own network
    turns the order into names.

    Raises:
      ValueError, OSError: the file holds something else.
    """
    if model.name == "mobilenet_v2":
        network = tf.keras.applications.MobileNetV2(
            (224, 224, 3), alpha=model.width_multiplier, include_top=False, weights=None
        )
    else:
        network = tf.keras.applications.ResNet50(include_top=False, weights=None)
    network.load_weights(str(path))
    values = zip(network.weights, network.get_weights(), strict=True)
    return {variable.name.removesuffix(":0"): value for variable, value in values}


def _published_file(model: ModelConfig) -> tuple[str, str, str | None]:
    """Name, address and MD5 of the file without a classifier."""
    if model.name == "resnet50":
        name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
        md5 = keras_resnet.WEIGHTS_HASHES["resnet50"][1]
        return name, keras_resnet.BASE_WEIGHTS_PATH + name, md5
    size = min(_MOBILENET_SIZES_PX, key=lambda published: abs(published - model.image_size))
    variant = f"{float(model.width_multiplier)}_{size}"
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{variant}_no_top.h5"
    return name, keras_mobilenet_v2.BASE_WEIGHT_PATH + name, None


def _keras_home() -> pathlib.Path:
    return pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()


def _download(path: pathlib.Path, origin: str) -> None:
    """Fetches whole or not at all, so that a kill leaves no half of a file to be trusted."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as partial, _bounded_silence():
            fetched = tf.keras.utils.get_file(
                path.name, origin, cache_dir=partial, cache_subdir="."
            )
            os.replace(fetched, path)
    except Exception as error:  # Keras reports a missing network as a bare Exception.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ConfigurationError(
            f"--weights=imagenet must be downloaded once, found no way to ({reason}); connect to "
            f"the network, or put {path.name} into {path.parent}, or set --weights=FILE"
        ) from error


@contextlib.contextmanager
def _bounded_silence() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _check_hash(path: pathlib.Path, md5: str | None) -> None:
    algorithm = "sha256" if md5 is None else "md5"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != (md5 or _noted(path, found)):
        raise ConfigurationError(
            f"--weights=imagenet must find the published file, found {path} with another "
            f"{algorithm} hash ({found}); delete it and {path.name}.sha256 to download it again"
        )


def _noted(path: pathlib.Path, found: str) -> str:
    """The SHA-256 beside `path`; it is `found` where none was noted yet."""
    note = path.with_name(path.name + ".sha256")
    if not note.exists():
        partial = note.with_name(f"{note.name}.{os.getpid()}")
        partial.write_text(f"{found}  {path.name}\n", encoding="utf-8")
        os.replace(partial, note)
    return note.read_text(encoding="utf-8").partition(" ")[0]
