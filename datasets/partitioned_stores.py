"""Writes one labelled set as a chain of store folders, spread by a partitioner."""

import os
import pathlib
from collections.abc import Callable

import numpy as np

from datasets.label_folders import LabelledPhotographs
from datasets.partitioners import partition
from datasets.whole_folder import make_whole_folder

# Names of files and folders have 255 bytes on every usual file system.
_MAX_NAME_BYTES = 255


def write_partitioned_stores(
    photographs: LabelledPhotographs,
    output_dir: str | pathlib.Path,
    *,
    method: str,
    num_stores: int,
    alpha: float,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Copies photographs to `<output_dir>/<store>/<label>/`, byte by byte, with a `labels.txt`.

    A chain that is there already is left as it is; a killed process leaves none.

    Args:
      photographs: the set.
      output_dir: a folder that is new, empty, or holds the same chain.
      method, num_stores, alpha, seed: see `datasets.partitioners.partition`.
      on_progress: called with the number of photographs copied and to copy.

    Returns:
      The names of the files that could not be read and are left out.

    Raises:
      ConfigurationError: an argument breaks its rule, or the folder holds something else.
    """
    parts = partition(
        photographs.labels, method=method, num_stores=num_stores, alpha=alpha, seed=seed
    )
    made_from = {
        **photographs.identity,
        "partitioner": method,
        "num_stores": num_stores,
        "partition_alpha": alpha,
        "seed": seed,
    }
    unreadable: list[str] = []
    make_whole_folder(
        pathlib.Path(output_dir),
        made_from=made_from,
        write=lambda folder: unreadable.extend(_copy(photographs, folder, parts, on_progress)),
    )
    return unreadable


def _copy(
    photographs: LabelledPhotographs,
    folder: pathlib.Path,
    parts: list[np.ndarray],
    on_progress: Callable[[int, int], None] | None,
) -> list[str]:
    """Copies in the order of the set, which reads a data set of any size once."""
    names = _folder_names(photographs.label_names)
    stores = _store_of_each(parts, len(photographs.labels))
    present = np.unique(photographs.labels)
    text = "".join(f"{names[label]}\n" for label in present)
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    width, unreadable = len(str(len(parts))), []
    for position, (name, content) in enumerate(photographs.read()):
        if content is None:
            unreadable.append(name)
        else:
            store = folder / f"store_{stores[position] + 1:0{width}d}"
            label_folder = store / names[photographs.labels[position]]
            label_folder.mkdir(parents=True, exist_ok=True)
            _free_path(label_folder, name, position).write_bytes(content)
        if on_progress:
            on_progress(position + 1, len(stores))
    return unreadable


def _store_of_each(parts: list[np.ndarray], num_photographs: int) -> np.ndarray:
    """int64 [num_photographs]: the store of each photograph."""
    stores = np.empty(num_photographs, np.int64)
    for store, part in enumerate(parts):
        stores[part] = store
    return stores


def _folder_names(labels: tuple[str, ...]) -> list[str]:
    """Labels as names of folders: without slashes, not hidden, short enough, and all different."""
    names: list[str] = []
    for label in labels:
        name = label.replace("/", "_").replace("\0", "_").strip() or "_"
        name = f"_{name}" if name.startswith(".") else name
        while len(os.fsencode(name)) > _MAX_NAME_BYTES:
            name = name[:-1]
        while name in names:
            name = f"{name[:60]}_{len(names)}"
        names.append(name)
    return names


def _free_path(folder: pathlib.Path, name: str, position: int) -> pathlib.Path:
    """`name` in the folder, or a numbered one where sub-folders had two files of that name."""
    path = folder / name
    return folder / f"{position:06d}{path.suffix}" if path.exists() else path
