"""From a released model to the files that phones, shelf cameras and servers run."""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tff_retail.program.export_check import ExportCheck, check_export
from tff_retail.program.export_images import load_export_images
from tff_retail.program.folder_replacement import replace_folder
from tff_retail.program.model_folder import read_description
from tff_retail.program.released_model import (
    in_batches,
    load_released_model,
    rebuild_keras_model,
)
from tff_retail.program.tflite_conversion import TFLITE_FORMATS, convert_to_tflite
from tff_retail.program.tflite_file import open_tflite_file, write_tflite_file

EXPORT_FORMATS = ("saved_model", *TFLITE_FORMATS)


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """One exported file or folder, and how it compares with the Keras model."""

    export_format: str
    path: pathlib.Path
    num_bytes: int
    check: ExportCheck


def export_model(
    folder: pathlib.Path,
    output_dir: pathlib.Path,
    *,
    formats: Sequence[str] = EXPORT_FORMATS,
    calibration_dir: pathlib.Path | None = None,
    on_exported: Callable[[ExportedModel], None] = lambda exported: None,
) -> list[ExportedModel]:
    """Writes a model in every format, compares each with the Keras model, and times it.

    Args:
      folder: the model folder.
      output_dir: gets `saved_model/`, `float32.tflite`, `float16.tflite`, `int8.tflite` and
        `export.json`.
      formats: of `EXPORT_FORMATS`.
      calibration_dir: photographs that headquarters owns; None for synthetic ones.
      on_exported: told of each export when it is done.

    Raises:
      ConfigurationError: the model can't be read, or the photographs can't be used.
    """
    description = read_description(folder)
    model = rebuild_keras_model(folder)
    calibration, images = load_export_images(model.input_shape["image"][1], calibration_dir)
    expected = _probabilities(model, images)
    output_dir.mkdir(parents=True, exist_ok=True)
    exports = []
    for export_format in formats:
        if export_format == "saved_model":
            path = _copy_saved_model(folder, output_dir)
        else:
            path = _write_tflite(model, description, export_format, calibration, output_dir)
        check = check_export(export_format, _predict(path), images=images, expected=expected)
        exports.append(ExportedModel(export_format, path, _num_bytes(path), check))
        on_exported(exports[-1])
    _write_report(output_dir, exports, folder, calibration_dir, len(calibration), len(images))
    return exports


def _probabilities(model: tf.keras.Model, images: np.ndarray) -> np.ndarray:
    parts = [model({"image": batch}, training=False) for batch in in_batches(images)]
    return np.concatenate([tf.nn.softmax(logits).numpy() for logits in parts])


def _copy_saved_model(folder: pathlib.Path, output_dir: pathlib.Path) -> pathlib.Path:
    target = output_dir / "saved_model"
    if target.resolve() != folder.resolve():

        def copy(partial: pathlib.Path) -> None:
            shutil.copytree(folder, partial, dirs_exist_ok=True)

        replace_folder(target, copy)
    return target


def _write_tflite(
    model: tf.keras.Model,
    description: dict,
    export_format: str,
    calibration: np.ndarray,
    output_dir: pathlib.Path,
) -> pathlib.Path:
    path = output_dir / f"{export_format.removeprefix('tflite_')}.tflite"
    network = convert_to_tflite(
        model,
        export_format,
        normalization=description["model"]["normalization"],
        calibration=calibration,
    )
    metadata = {**description, "export_format": export_format}
    write_tflite_file(path, network, labels=description["labels"], metadata=metadata)
    return path


def _predict(path: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """The export on one thread, so that latencies compare."""
    if path.suffix == ".tflite":
        return open_tflite_file(path, num_threads=1)[2]
    return load_released_model(path).predict


def _num_bytes(path: pathlib.Path) -> int:
    """Of what has to be installed: the file, or the SavedModel without weights.npz."""
    if path.is_file():
        return path.stat().st_size
    parts = [path / "saved_model.pb", *(path / "variables").iterdir()]
    return sum(part.stat().st_size for part in parts)


def _write_report(
    output_dir: pathlib.Path,
    exports: Sequence[ExportedModel],
    folder: pathlib.Path,
    calibration_dir: pathlib.Path | None,
    num_calibration_images: int,
    num_check_images: int,
) -> None:
    report = {
        "model": str(folder),
        "photographs": "synthetic" if calibration_dir is None else str(calibration_dir),
        "num_calibration_images": num_calibration_images,
        "num_check_images": num_check_images,
        "exports": [
            {
                "format": export.export_format,
                "file": export.path.name,
                "num_bytes": export.num_bytes,
                **dataclasses.asdict(export.check),
                "is_sound": export.check.is_sound,
            }
            for export in exports
        ],
    }
    partial = output_dir / ".export.json.partial"
    partial.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(partial, output_dir / "export.json")
