"""Freiburg Groceries (Jund et al. 2016, https://arxiv.org/abs/1611.05799), fetched from its home.

No checksum is recorded yet: TFDS then takes the archive as it comes and says so. Whoever has
fetched it once can record it with `tfds build --register_checksums`.
"""

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

_HOMEPAGE = "http://aisdatasets.informatik.uni-freiburg.de/freiburg_groceries_dataset/"
_ARCHIVE_URL = _HOMEPAGE + "freiburg_groceries_dataset.tar.gz"
# In the order of the authors' classid.txt.
_LABELS = (
    "CANDY",
    "JUICE",
    "VINEGAR",
    "OIL",
    "CHOCOLATE",
    "PASTA",
    "RICE",
    "MILK",
    "SPICES",
    "HONEY",
    "JAM",
    "NUTS",
    "CHIPS",
    "SODA",
    "COFFEE",
    "BEANS",
    "TEA",
    "CORN",
    "CEREAL",
    "CAKE",
    "SUGAR",
    "WATER",
    "FLOUR",
    "TOMATO_SAUCE",
    "TUNA",
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Examples of `image` (uint8 [256, 256, 3]) and `label`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(256, 256, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=_LABELS),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=_HOMEPAGE,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = epath.Path(dl_manager.download_and_extract(_ARCHIVE_URL))
        return {"train": self._generate_examples(archive / "images")}

    def _generate_examples(self, images: epath.Path) -> Iterator[tuple[str, dict[str, Any]]]:
        for label in _LABELS:
            for photograph in sorted((images / label).glob("*.png")):
                yield f"{label}/{photograph.name}", {"image": photograph, "label": label}
