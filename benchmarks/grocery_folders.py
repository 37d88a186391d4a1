"""The Grocery Store Dataset's own layout as folders by label, which our commands read."""

import csv
import pathlib
import shutil

from datasets.whole_folder import make_whole_folder
from tff_retail.config import require

# Folder of ours: list file of the authors.
_SPLITS = {"train": "train.txt", "validation": "val.txt"}


def write_grocery_folders(dataset_dir: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Copies photographs to `<output_dir>/train/<label>/` and `<output_dir>/validation/<label>/`.

    What is there already is left as it is. A photograph's name keeps its folders, so that no two
    are the same.

    Args:
      dataset_dir: the folder `dataset` of https://github.com/marcusklasson/GroceryStoreDataset
        (Klasson et al. 2019, https://arxiv.org/abs/1901.00711).
      output_dir: new, or made by this function.

    Raises:
      ConfigurationError: `dataset_dir` is not that folder, or `output_dir` is in use.
    """
    for name in ("classes.csv", *_SPLITS.values()):
        require(
            (dataset_dir / name).is_file(),
            "grocery_dir",
            f"the folder `dataset` of the Grocery Store Dataset, which holds {name}",
            str(dataset_dir),
            "clone the data set and name that folder",
        )
    make_whole_folder(
        output_dir,
        made_from={"grocery_store": dataset_dir.resolve().name, "layout": 1},
        write=lambda folder: _copy(dataset_dir, folder),
    )


def _copy(dataset_dir: pathlib.Path, folder: pathlib.Path) -> None:
    names = {int(row[1]): row[0] for row in _rows(dataset_dir / "classes.csv")[1:]}
    for split, list_file in _SPLITS.items():
        for path, label, _ in _rows(dataset_dir / list_file):
            label_folder = folder / split / names[int(label)]
            label_folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dataset_dir / path, label_folder / path.replace("/", "_"))


def _rows(path: pathlib.Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines(), skipinitialspace=True))


def write_halves(label_folders: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Splits photographs between headquarters and the stores: every second one of each label.

    `<output_dir>/headquarters/headquarters/<label>/` is a chain of one store,
    `<output_dir>/stores/<label>/` is still to be spread over stores.

    Args:
      label_folders: `<label_folders>/<label>/*.jpg`.
      output_dir: new, or made by this function.
    """
    make_whole_folder(
        output_dir,
        made_from={"halves_of": label_folders.resolve().name, "layout": 1},
        write=lambda folder: _split(label_folders, folder),
    )


def _split(label_folders: pathlib.Path, folder: pathlib.Path) -> None:
    halves = (folder / "headquarters" / "headquarters", folder / "stores")
    for label_folder in sorted(path for path in label_folders.iterdir() if path.is_dir()):
        for number, photograph in enumerate(sorted(label_folder.iterdir())):
            target = halves[number % 2] / label_folder.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photograph, target / photograph.name)
