"""Which photographs a command line means."""

import os
import pathlib
from collections.abc import Iterable, Iterator

from datasets.image_decoding import is_photograph_name


def find_photographs(paths: Iterable[str]) -> list[str]:
    """Files as they are named, and the photographs below folders, those in order of name.

    Hidden files and folders below a folder are passed over: caches keep copies there. A path
    that is not there stays in the list, for the reader to say so in its place.
    """
    return [found for path in paths for found in _below(path)]


def _below(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, subfolders, files in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and is_photograph_name(pathlib.PurePath(name)):
                yield os.path.join(folder, name)
