"""Grocery Store Dataset (Klasson et al. 2019, https://arxiv.org/abs/1901.00711), from GitHub.

No checksum is recorded yet: TFDS then takes the archive as it comes and says so. Whoever has
fetched it once can record it with `tfds build --register_checksums`.
"""

import csv
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

_HOMEPAGE = "https://github.com/marcusklasson/GroceryStoreDataset"
_ARCHIVE_URL = _HOMEPAGE + "/archive/refs/heads/master.zip"
# GitHub names the one folder of an archive after the repository and the branch.
_ARCHIVE_FOLDER = "GroceryStoreDataset-master"
# The names of the authors' classes.csv, by their class IDs.
_LABEL_FILE = epath.Path(__file__).parent / "labels.txt"
_COARSE_LABEL_FILE = epath.Path(__file__).parent / "coarse_labels.txt"


class Builder(tfds.core.GeneratorBasedBuilder):
    """Examples of `image` (uint8 [height, width, 3]), `label` and `coarse_label`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names_file=_LABEL_FILE),
                    "coarse_label": tfds.features.ClassLabel(names_file=_COARSE_LABEL_FILE),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=_HOMEPAGE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = epath.Path(dl_manager.download_and_extract(_ARCHIVE_URL))
        dataset = archive / _ARCHIVE_FOLDER / "dataset"
        return {
            "train": self._generate_examples(dataset, "train.txt"),
            "validation": self._generate_examples(dataset, "val.txt"),
            "test": self._generate_examples(dataset, "test.txt"),
        }

    def _generate_examples(
        self, dataset: epath.Path, list_file: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        lines = (dataset / list_file).read_text().splitlines()
        for path, label, coarse_label in csv.reader(lines, skipinitialspace=True):
            yield (
                path,
                {
                    "image": dataset / path,
                    "label": int(label),
                    "coarse_label": int(coarse_label),
                },
            )
