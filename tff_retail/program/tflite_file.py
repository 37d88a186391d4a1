"""A `.tflite` file that knows its labels.

TensorFlow Lite reads the model at the beginning of a file and ignores what follows, so labels
travel as a zip archive appended to it, the place where TFLite metadata keeps associated files
(https://www.tensorflow.org/lite/models/convert/metadata): `unzip -l model.tflite` shows them.
For files from elsewhere, labels are read from `NAME.labels.txt` beside `NAME.tflite`.
"""

import io
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tff_retail.config import ConfigurationError
from tff_retail.program.native_chatter import quiet_native_code

_DESCRIPTION = "model.json"
# An entry's default time is 1980 in zipfile too; named here because equal models give equal files.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_tflite_file(
    path: pathlib.Path, network: bytes, *, labels: Sequence[str], metadata: Mapping[str, Any]
) -> None:
    """Writes a TFLite model with its labels inside, and `NAME.labels.txt` beside it for apps."""
    lines = "".join(" ".join(label.splitlines()) + "\n" for label in labels)
    description = json.dumps({**metadata, "labels": list(labels)}, ensure_ascii=False)
    buffer = io.BytesIO(network)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in (("labels.txt", lines), (_DESCRIPTION, description)):
            archive.writestr(zipfile.ZipInfo(name, _NO_DATE), text.encode())
    _write_bytes(path, buffer.getvalue())
    _write_bytes(_labels_file_beside(path), lines.encode())


def open_tflite_file(
    path: pathlib.Path, *, num_threads: int | None = None
) -> tuple[tuple[str, ...], int, Callable[[np.ndarray], np.ndarray]]:
    """Opens a TFLite classifier of uint8 or float32 images [1, S, S, 3] with values 0 to 255.

    Returns:
      Its labels, S, and predict: images uint8 [n, S, S, 3] → probabilities float32 [n, L].

    Raises:
      ConfigurationError: it is not such a file, or its labels are neither inside nor beside it.
    """
    interpreter = _interpreter(path, num_threads)
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    shape = tuple(int(size) for size in taken["shape"])
    if len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
        raise ConfigurationError(
            f"--model must take one square RGB image, found input {shape} in {str(path)!r}; "
            "make one with python -m tff_retail.export"
        )
    labels = _read_labels(path, num_labels=int(given["shape"][-1]))

    def predict(images: np.ndarray) -> np.ndarray:
        scores = np.empty((len(images), len(labels)), np.float32)
        for index, image in enumerate(images):
            interpreter.set_tensor(taken["index"], image[np.newaxis].astype(taken["dtype"]))
            interpreter.invoke()
            scores[index] = _as_float(interpreter.get_tensor(given["index"])[0], given)
        return scores

    return labels, shape[1], predict


def read_tflite_description(path: pathlib.Path) -> dict[str, Any]:
    """What `write_tflite_file` was told of a model; nothing for files from elsewhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            description = json.loads(archive.read(_DESCRIPTION))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return {}
    return description if isinstance(description, dict) else {}


def _interpreter(path: pathlib.Path, num_threads: int | None) -> tf.lite.Interpreter:
    if not path.is_file():
        raise ConfigurationError(
            f"--model must be an existing file, found {str(path)!r}; check the path"
        )
    try:
        with quiet_native_code():
            interpreter = tf.lite.Interpreter(str(path), num_threads=num_threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ConfigurationError(
            f"--model must be a whole TFLite file, found {str(path)!r} unreadable; "
            "copy the file again or export a new one"
        ) from error
    return interpreter


def _read_labels(path: pathlib.Path, *, num_labels: int) -> tuple[str, ...]:
    labels = _labels_inside(path) or _labels_beside(path)
    if labels is None:
        raise ConfigurationError(
            f"--model must have its labels inside or beside it, found neither in {str(path)!r} "
            f"nor in {_labels_file_beside(path).name!r}; write that file, one label a line"
        )
    if len(labels) != num_labels:
        raise ConfigurationError(
            f"--model must have one label for each of its {num_labels} outputs, found "
            f"{len(labels)} labels for {str(path)!r}; export the model again"
        )
    return labels


def _labels_inside(path: pathlib.Path) -> tuple[str, ...] | None:
    description = read_tflite_description(path)
    return tuple(description["labels"]) if "labels" in description else None


def _labels_beside(path: pathlib.Path) -> tuple[str, ...] | None:
    try:
        return tuple(_labels_file_beside(path).read_text(encoding="utf-8").splitlines())
    except OSError:
        return None


def _labels_file_beside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.stem}.labels.txt")


def _as_float(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    return (
        values if values.dtype == np.float32 else (values.astype(np.float32) - zero_point) * scale
    )


def _write_bytes(path: pathlib.Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
