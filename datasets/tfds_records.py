"""The records of a TensorFlow data set: photographs as the bytes they are stored in."""

import dataclasses
import importlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from datasets.labels import normalize_label
from tff_retail.config import ConfigurationError, DataConfig

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True, eq=False)
class TfdsRecords:
    """A split of a prepared data set, and which of its features are used.

    Attributes:
      builder: its builder, prepared.
      split: as `tfds.load` takes it, slices included.
      image, label: names of the two features.
      label_names: by label, in NFC.
    """

    builder: "tfds.core.DatasetBuilder"
    split: str
    image: str
    label: str
    label_names: tuple[str, ...]

    @property
    def identity(self) -> str:
        """What decides keys, labels and order: name, version, split and size."""
        return f"{self.builder.info.full_name} {self.split} {self.num_examples}"

    @property
    def num_examples(self) -> int:
        """Examples of the split."""
        return int(self.builder.info.splits[self.split].num_examples)

    def read(self) -> Iterator[tuple[bytes, int]]:
        """(bytes of the photograph, label) of every example, in a fixed order."""
        import tensorflow_datasets as tfds

        data = self.builder.as_dataset(
            split=self.split,
            shuffle_files=False,
            decoders={self.image: tfds.decode.SkipDecoding()},
        )
        for example in tfds.as_numpy(data):
            yield bytes(example[self.image]), int(example[self.label])


def open_tfds_records(data: DataConfig) -> TfdsRecords:
    """Opens `data.tfds`, fetching and preparing it where that has not been done.

    Raises:
      ConfigurationError: there is no such data set or split, it can't be fetched, or it has no
        image with a class label.
    """
    import tensorflow_datasets as tfds

    name = str(data.tfds)
    _register_own_builder(name)
    try:
        builder = tfds.builder(name, data_dir=data.tfds_data_dir)
        builder.download_and_prepare()
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"--tfds must name a data set of tensorflow_datasets, found {name!r}"
            f" ({_first_line(error)}); `tfds.list_builders()` lists them"
        ) from error
    except ImportError:  # a fault of the environment, not of the network
        raise
    # Fetching fails in the ways of every HTTP library and archive format there is.
    except Exception as error:
        raise ConfigurationError(
            f"--tfds={name} must be fetched or lie in --tfds_data_dir, found neither"
            f" ({_first_line(error)}); check the network, or copy the prepared data set there"
        ) from error
    try:
        builder.info.splits[data.tfds_split]
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"--tfds_split must be a split of {name}, one of {', '.join(builder.info.splits)},"
            f" found {data.tfds_split!r}"
        ) from error
    return _records(builder, data)


def _register_own_builder(name: str) -> None:
    """Importing a builder of this project's own makes TFDS know it."""
    found = re.match(r"\w+", name)
    base = found.group() if found else ""
    module = f"datasets.{base}.{base}_dataset_builder"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(str(error.name)):
            raise


def _records(builder: "tfds.core.DatasetBuilder", data: DataConfig) -> TfdsRecords:
    import tensorflow_datasets as tfds

    features = dict(builder.info.features)
    image = _feature(features, "image", tfds.features.Image)
    label = _feature(features, "label", tfds.features.ClassLabel)
    if image is None or label is None:
        raise ConfigurationError(
            f"--tfds must name a data set with an image and a class label, found {data.tfds} with"
            f" {', '.join(features)}; choose one made for classification"
        )
    names = tuple(normalize_label(name) for name in features[label].names)
    return TfdsRecords(builder, data.tfds_split, image, label, names)


def _feature(features: dict[str, Any], name: str, kind: type) -> str | None:
    """The feature `name` if it is of that kind, or else the only one of the kind."""
    names = [key for key, feature in features.items() if isinstance(feature, kind)]
    if name in names:
        return name
    return names[0] if len(names) == 1 else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
