"""Finds a released model and says what it is, without loading TensorFlow."""

import json
import pathlib
from typing import Any

from tff_retail.config import ConfigurationError, require

# Of model.json; raise it when an older program could not use what is written now.
MODEL_FORMAT = 1


def find_model(path: pathlib.Path | str) -> pathlib.Path:
    """The model folder or `.tflite` file that `path` stands for: itself, or `model/` in a run.

    Raises:
      ConfigurationError: there is none.
    """
    path = pathlib.Path(path).expanduser()
    if path.suffix == ".tflite" and path.is_file():
        return path
    for folder in (path, path / "model"):
        if (folder / "saved_model.pb").is_file() and (folder / "model.json").is_file():
            return folder
    raise ConfigurationError(
        "--model must be a run directory with a finished model/, a model folder or a .tflite file, "
        f"found {str(path)!r}; train one with python -m tff_retail.train"
    )


def read_description(folder: pathlib.Path) -> dict[str, Any]:
    """What `model.json` of a model folder says.

    Raises:
      ConfigurationError: it can't be read, or another version wrote it.
    """
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        model_format = description["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable_model(folder / "model.json", error) from error
    require(model_format == MODEL_FORMAT, "model", f"of format {MODEL_FORMAT}", model_format)
    return description


def unreadable_model(path: pathlib.Path, error: Exception) -> ConfigurationError:
    """The sentence for a file of a model that `error` kept from being read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ConfigurationError(
        f"--model must be a whole model folder, found {str(path)!r} unreadable ({reason}); "
        "copy the folder again or train a new one"
    )
