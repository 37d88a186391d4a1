"""Where results about a model go."""

import contextlib
import pathlib
from collections.abc import Iterator

from tff_retail.config import ConfigurationError


def result_folder(model_path: str, name: str) -> pathlib.Path:
    """Where they go when nobody says where.

    Returns:
      `<run>/NAME` for a run directory or its `model/`, else `MODEL_NAME` beside the model.
    """
    path = pathlib.Path(model_path).expanduser().absolute()
    if (path / "model").is_dir():
        return path / name
    if path.name == "model":
        return path.parent / name
    return path.with_name(f"{path.stem}_{name}")


@contextlib.contextmanager
def writable_output_dir(folder: pathlib.Path) -> Iterator[None]:
    """Makes `folder`; what fails while it is written becomes one sentence.

    Raises:
      ConfigurationError: it can't be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigurationError(
            f"--output_dir must be a folder that can be written, found {str(folder)!r} "
            f"({error.strerror or error}); free some room or choose another"
        ) from error
