"""Exports a trained model to SavedModel and TensorFlow Lite, and checks what comes out.

    python -m tff_retail.export --model=runs/latest

writes `saved_model/`, `float32.tflite`, `float16.tflite`, `int8.tflite` and `export.json` into
`runs/latest/export`, and prints their sizes, their latencies on one thread and how they compare
with the Keras model. Exit code 1: an export names other labels than the model too often.
"""

import pathlib
from typing import TYPE_CHECKING

from absl import flags

from tff_retail.command_line import run_main
from tff_retail.config import ConfigurationError, existing_folder, require
from tff_retail.program.model_folder import find_model
from tff_retail.program.result_folder import result_folder, writable_output_dir

if TYPE_CHECKING:
    from tff_retail.program.model_export import ExportedModel

_FORMATS = ("saved_model", "tflite_float32", "tflite_float16", "tflite_int8")
_HEADER = ("format", "size", "latency", "same label", "at least", "largest difference", "")


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("model", None, "A run directory or a model folder.")
    flags.DEFINE_string(
        "output_dir", None, "Where the exports go; by default export/ in the run directory."
    )
    flags.DEFINE_list("formats", list(_FORMATS), "What to write, separated by commas.")
    flags.DEFINE_string(
        "calibration_dir",
        None,
        "Folder of photographs that headquarters owns, to calibrate int8 on and to check with; "
        "by default synthetic ones.",
    )


def main(argv: list[str]) -> int:
    """Exports and prints a table; 1 if an export is not sound, else 0."""
    values = flags.FLAGS
    require(not argv, "model", "the only way to name a model", " ".join(argv))
    require(bool(values.model), "model", "a run directory or a model folder", values.model)
    for name in values.formats:
        require(name in _FORMATS, "formats", f"among {', '.join(_FORMATS)}", name)
    photographs = None
    if values.calibration_dir is not None:
        photographs = existing_folder("calibration_dir", values.calibration_dir)
    model = find_model(values.model)
    if model.suffix == ".tflite":
        raise ConfigurationError(
            f"--model must be a run directory or a model folder, found {values.model!r}; "
            "a TFLite file is an export already"
        )
    output_dir = values.output_dir or result_folder(values.model, "export")
    return _export(model, pathlib.Path(output_dir).expanduser(), values.formats, photographs)


def _export(
    model: pathlib.Path,
    output_dir: pathlib.Path,
    formats: list[str],
    photographs: pathlib.Path | None,
) -> int:
    # Only now, so that a wrong flag and --help answer at once.
    import tensorflow as tf

    from tff_retail.program.model_export import export_model

    # Latencies are those of one thread, as on the small devices that exports are for.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with writable_output_dir(output_dir):
        exports = export_model(
            model,
            output_dir,
            formats=formats,
            calibration_dir=photographs,
            on_exported=lambda exported: print(f"Wrote {exported.path}", flush=True),
        )
    _print_table(exports, "your" if photographs else "synthetic")
    unsound = [exported.export_format for exported in exports if not exported.check.is_sound]
    if unsound and photographs is None:
        print("Synthetic photographs may mislead: try --calibration_dir with photographs you own.")
    return 1 if unsound else 0


def _print_table(exports: "list[ExportedModel]", photographs: str) -> None:
    from tff_retail.program.text_table import format_table

    rows = [
        (
            exported.export_format,
            f"{exported.num_bytes / 1e6:.2f} MB",
            f"{exported.check.latency_ms:.2f} ms",
            f"{exported.check.agreement:.1%}",
            f"{exported.check.agreement_bound:.0%}",
            f"{exported.check.max_difference:.1e}",
            "sound" if exported.check.is_sound else "NOT SOUND",
        )
        for exported in exports
    ]
    print(f"\nCompared with the Keras model on {photographs} photographs, one thread:\n")
    print(format_table(_HEADER, rows))


if __name__ == "__main__":
    define_flags()
    run_main(main)
