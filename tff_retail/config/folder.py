"""A folder that a flag names."""

import pathlib

from tff_retail.config.requirement import require


def existing_folder(flag: str, path: str) -> pathlib.Path:
    """`path` as a folder that exists.

    Raises:
      ConfigurationError: it does not, or is a file.
    """
    folder = pathlib.Path(path).expanduser()
    require(folder.is_dir(), flag, "an existing folder", path, "check the path")
    return folder
