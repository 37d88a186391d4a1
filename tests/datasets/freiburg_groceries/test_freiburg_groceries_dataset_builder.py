"""TFDS's own tests of the builder, on three small files."""

import pathlib

import tensorflow_datasets as tfds

from datasets.freiburg_groceries import freiburg_groceries_dataset_builder


class FreiburgGroceriesTest(tfds.testing.DatasetBuilderTestCase):
    """Registration, information, download paths, examples and splits."""

    DATASET_CLASS = freiburg_groceries_dataset_builder.Builder
    EXAMPLE_DIR = pathlib.Path(__file__).parent / "dummy_data"
    SPLITS = {"train": 3}
    # None is recorded: the archive can't be fetched where this was written.
    SKIP_CHECKSUMS = True

    def test_labels(self):
        labels = self.builder.info.features["label"]
        self.assertEqual(labels.num_classes, 25)
        self.assertEqual((labels.str2int("CANDY"), labels.str2int("TUNA")), (0, 24))
