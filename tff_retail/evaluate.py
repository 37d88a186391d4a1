"""Measures a trained model on labelled photographs.

    python -m tff_retail.evaluate --model=runs/latest

takes the validation photographs of the run's own stores, `--data_dir` those of another chain,
`--eval_dir` a test set in label folders. Prints accuracy, a line for each label and the worst
confusions, and writes `evaluation.json`, `labels.csv`, `confusion.csv` and `confusion.png`.
"""

import dataclasses
import json
import pathlib

from absl import flags

from tff_retail import flags as retail_flags
from tff_retail.config import ConfigurationError, DataConfig, RunConfig, existing_folder, require

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


def main(argv: list[str]) -> int:
    """Evaluates, prints and writes the results."""
    values = flags.FLAGS
    require(len(argv) == 1, "model", "the only way to name a model", " ".join(argv[1:]))
    require(bool(values.model), "model", "a run directory, a model folder or a file", values.model)
    require(values.split in _SPLITS, "split", f"one of {', '.join(_SPLITS)}", values.split)
    if values.eval_dir is not None:
        require(values.data_dir is None, "data_dir", "left out beside --eval_dir", values.data_dir)
        return _evaluate(values, existing_folder("eval_dir", values.eval_dir))
    return _evaluate(values, data_config(values))


def data_config(values: flags.FlagValues) -> DataConfig:
    """Which stores: those that flags name, and for the rest those of the run itself.

    Raises:
      ConfigurationError: neither says where the photographs are.
    """
    config = _config_of_run(pathlib.Path(values.model).expanduser())
    if values.data_dir is not None:
        existing_folder("data_dir", values.data_dir)
        config = _named_chain(values.data_dir, config)
    if config is None:
        raise ConfigurationError(
            "--data_dir or --eval_dir must be set, found neither, and --model is no run directory "
            "that says which photographs it was trained on; name a folder"
        )
    given = {"cache_dir": values.cache_dir, "validation_fraction": values.validation_fraction}
    changes = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(config, **changes)


def _named_chain(data_dir: str, of_run: DataConfig | None) -> DataConfig:
    named = DataConfig(data_dir=data_dir)
    if of_run is None:
        return named
    if of_run.data_dir and pathlib.Path(of_run.data_dir).resolve() == pathlib.Path(data_dir).resolve():
        return of_run  # its cache holds the photographs already
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


def _evaluate(values: flags.FlagValues, source: DataConfig | pathlib.Path) -> int:
    # Only now, so that a wrong flag and --help answer at once.
    from tff_retail.program import evaluation_photographs as photographs
    from tff_retail.program.evaluation_report import describe_evaluation, write_evaluation_report
    from tff_retail.program.model_evaluation import evaluate_model
    from tff_retail.program.released_model import load_released_model
    from tff_retail.program.result_folder import result_folder

    model = load_released_model(values.model)
    notices: list[str] = []
    size = model.image_size
    if isinstance(source, DataConfig):
        batches = photographs.chain_photographs(
            source, image_size=size, split=values.split, notices=notices
        )
    else:
        batches = photographs.folder_photographs(source, image_size=size, notices=notices)
    evaluation = evaluate_model(model, batches)
    folder = pathlib.Path(values.output_dir or result_folder(values.model, "evaluation"))
    write_evaluation_report(evaluation, folder.expanduser())
    for notice in notices:
        print(notice)
    print(describe_evaluation(evaluation))
    print(f"\nTables and the confusion matrix are in {folder}")
    return 0


if __name__ == "__main__":
    define_flags()
    retail_flags.run_main(main)
