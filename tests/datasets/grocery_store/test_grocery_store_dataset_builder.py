"""TFDS's own tests of the builder, on four small files."""

import pathlib

import tensorflow_datasets as tfds

from datasets.grocery_store import grocery_store_dataset_builder


class GroceryStoreTest(tfds.testing.DatasetBuilderTestCase):
    """Registration, information, download paths, examples and splits."""

    DATASET_CLASS = grocery_store_dataset_builder.Builder
    EXAMPLE_DIR = pathlib.Path(__file__).parent / "dummy_data"
    SPLITS = {"train": 2, "validation": 1, "test": 1}
    # None is recorded: the archive can't be fetched where this was written.
    SKIP_CHECKSUMS = True

    def test_labels(self):
        features = self.builder.info.features
        self.assertEqual(features["label"].num_classes, 81)
        self.assertEqual(features["coarse_label"].num_classes, 43)
        self.assertEqual(features["label"].int2str(28), "Bravo-Apple-Juice")
        self.assertEqual(features["coarse_label"].int2str(19), "Juice")
