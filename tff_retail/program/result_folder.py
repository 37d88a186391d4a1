"""Where results about a model go when nobody says where."""

import pathlib


def result_folder(model_path: str, name: str) -> pathlib.Path:
    """`<run>/NAME` for a run directory or its `model/`, else `MODEL_NAME` beside the model."""
    path = pathlib.Path(model_path).expanduser().absolute()
    if (path / "model").is_dir():
        return path / name
    if path.name == "model":
        return path.parent / name
    return path.with_name(f"{path.stem}_{name}")
