"""Measures a trained model on labelled photographs.

    python -m tff_retail.evaluate --model=runs/latest

takes the photographs that the run was evaluated on: its test set where it had one, else the
validation photographs of its stores. `--data_dir` names another chain, `--eval_dir` a test set in
label folders. Prints accuracy, calibration error (ECE), what is called an unknown product, a line
for each label, the worst confusions, and the photographs it gets wrong, the ones it is most sure
of first. Writes `evaluation.json`, `labels.csv`, `mistakes.csv` and `mistakes.png` (the wrong
ones), `confusion.csv`, `confusion.png` and `reliability.png` (how often it is right when it is so
sure).
"""

import dataclasses
import functools
import json
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from tff_retail.command_line import run_main
from tff_retail.config import ConfigurationError, DataConfig, RunConfig, existing_folder, require
from tff_retail.program.model_folder import find_model
from tff_retail.program.result_folder import result_folder, writable_output_dir
from tff_retail.program.unknown_threshold import (
    AUTO,
    UNKNOWN_THRESHOLD_HELP,
    read_unknown_threshold,
)

if TYPE_CHECKING:
    from tff_retail.program.evaluation_photographs import EvaluationPhotographs
    from tff_retail.program.released_model import ReleasedModel

_SPLITS = ("validation", "train", "all")


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("model", None, "A run directory, a model folder or a .tflite file.")
    flags.DEFINE_string(
        "data_dir", None, "Folder of store folders; by default the stores the run was trained on."
    )
    flags.DEFINE_string("eval_dir", None, "A test set in label folders, in place of stores.")
    flags.DEFINE_string("split", "validation", f"Of the stores: {', '.join(_SPLITS)}.")
    flags.DEFINE_string("cache_dir", None, "Where decoded photographs of the stores are kept.")
    flags.DEFINE_float(
        "validation_fraction", None, "Of the stores' photographs; by default as in the run."
    )
    flags.DEFINE_string(
        "output_dir", None, "Where the results go; by default evaluation/ in the run directory."
    )
    flags.DEFINE_string("unknown_threshold", AUTO, UNKNOWN_THRESHOLD_HELP)


def main(argv: list[str]) -> int:
    """Evaluates, prints and writes the results."""
    values = flags.FLAGS
    require(not argv, "model", "the only way to name a model", " ".join(argv))
    require(bool(values.model), "model", "a run directory, a model folder or a file", values.model)
    require(values.split in _SPLITS, "split", f"one of {', '.join(_SPLITS)}", values.split)
    threshold = read_unknown_threshold(values.unknown_threshold)
    data = _data_config(values)
    for flag, folder in (("data_dir", values.data_dir), ("eval_dir", values.eval_dir)):
        if folder is not None:
            existing_folder(flag, folder)
    find_model(values.model)
    output_dir = values.output_dir or result_folder(values.model, "evaluation")
    return _evaluate(
        values.model,
        data,
        values.split,
        pathlib.Path(output_dir).expanduser(),
        unknown_threshold=threshold,
    )


def _data_config(values: flags.FlagValues) -> DataConfig:
    """What the flags name, and for the rest what the run itself had.

    Raises:
      ConfigurationError: neither says where the photographs are.
    """
    of_run = _config_of_run(pathlib.Path(values.model).expanduser())
    if values.eval_dir is not None:
        require(values.data_dir is None, "data_dir", "left out beside --eval_dir", values.data_dir)
        config = DataConfig(data_dir="", eval_dir=values.eval_dir)
    elif values.data_dir is not None:
        config = _chain_config(values.data_dir, of_run)
    elif of_run is not None:
        config = of_run
    else:
        raise ConfigurationError(
            "--data_dir or --eval_dir must be set, found neither, and --model is no run directory "
            "that says which photographs it was trained on; name a folder"
        )
    given = {"cache_dir": values.cache_dir, "validation_fraction": values.validation_fraction}
    changes = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(config, **changes)


def _chain_config(data_dir: str, of_run: DataConfig | None) -> DataConfig:
    named = DataConfig(data_dir=data_dir)
    if of_run is None:
        return named
    if (
        of_run.data_dir
        and pathlib.Path(of_run.data_dir).resolve() == pathlib.Path(data_dir).resolve()
    ):
        return dataclasses.replace(of_run, eval_dir=None)  # its cache has the photographs already
    # The split of the run, so that no photograph it learned from counts as unseen.
    return dataclasses.replace(named, validation_fraction=of_run.validation_fraction)


def _config_of_run(model: pathlib.Path) -> DataConfig | None:
    for folder in (model, model.parent):
        try:
            text = (folder / "configuration.json").read_text(encoding="utf-8")
            return RunConfig.from_json(json.loads(text)).data
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _evaluate(
    model_path: str,
    data: DataConfig,
    split: str,
    output_dir: pathlib.Path,
    *,
    unknown_threshold: float | None,
) -> int:
    # Only now, so that a wrong flag and --help answer at once.
    from tff_retail.program.evaluation_report import describe_evaluation, write_evaluation_report
    from tff_retail.program.model_evaluation import evaluate_model
    from tff_retail.program.released_model import load_released_model

    model = load_released_model(model_path)
    photographs = _open_photographs(model, data, split)
    evaluation = evaluate_model(
        model,
        photographs.batches(),
        labels=photographs.labels,
        unknown_labels=photographs.unknown_labels,
    )
    threshold = model.unknown_threshold if unknown_threshold is None else unknown_threshold
    with writable_output_dir(output_dir):
        write_evaluation_report(evaluation, photographs, output_dir, unknown_threshold=threshold)
    for notice in photographs.notices:
        print(notice)
    print(describe_evaluation(evaluation, photographs, unknown_threshold=threshold))
    print(f"\nTables and pictures are in {output_dir}")
    return 0


def _open_photographs(
    model: "ReleasedModel", data: DataConfig, split: str
) -> "EvaluationPhotographs":
    """The test set where there is one, as in training, else the stores."""
    from tff_retail.program import evaluation_photographs
    from tff_retail.program.console import open_console

    console = open_console(sys.stderr)
    on_progress = functools.partial(console.progress, "preparing photographs")
    try:
        if data.eval_dir is not None:
            return evaluation_photographs.photographs_of_test_set(
                data,
                labels=model.labels,
                image_size=model.image_size,
                on_progress=on_progress,
            )
        return evaluation_photographs.photographs_of_stores(
            data, image_size=model.image_size, split=split, on_progress=on_progress
        )
    finally:
        console.close()


if __name__ == "__main__":
    define_flags()
    run_main(main)
