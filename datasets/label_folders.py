"""One pile of labelled photographs, as it is before it is spread over stores."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from datasets.image_decoding import UnreadablePhotograph, read_regular_file
from datasets.store_listing import list_store
from datasets.tfds_records import open_tfds_records
from tff_retail.config import ConfigurationError, DataConfig, existing_folder


class LabelledPhotographs(Protocol):
    """A labelled set whose photographs are read one after the other."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What it is, as JSON values; another set has another identity."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """By label."""

    @property
    def labels(self) -> np.ndarray:
        """int64 [num_photographs]."""

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """(file name, content) of every photograph in order; None where it can't be read."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Folders:
    identity: Mapping[str, Any]
    label_names: tuple[str, ...]
    labels: np.ndarray
    paths: tuple[pathlib.Path, ...]

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        for path in self.paths:
            try:
                content, _ = read_regular_file(path)
            except UnreadablePhotograph:
                yield path.name, None
            else:
                yield path.name, content


@dataclasses.dataclass(frozen=True, eq=False)
class _Records:
    identity: Mapping[str, Any]
    label_names: tuple[str, ...]
    labels: np.ndarray
    source: Any

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        for position, (content, _) in enumerate(self.source.read()):
            yield f"{position:06d}{_suffix(content)}", content


def open_label_folders(source_dir: str) -> LabelledPhotographs:
    """The photographs below `<source_dir>/<label>/`, or of its `manifest.csv`.

    Raises:
      ConfigurationError: there is no such folder, or no photograph in it.
    """
    folder = existing_folder("source_dir", source_dir)
    listing = list_store(folder, folder.name)
    if not listing.photographs:
        raise ConfigurationError(
            "--source_dir must hold one folder of photographs per label, found none in "
            f"{source_dir!r}; check the path"
        )
    names = tuple(sorted({photograph.label for photograph in listing.photographs}))
    indices = {name: index for index, name in enumerate(names)}
    paths = tuple(folder / photograph.path for photograph in listing.photographs)
    return _Folders(
        identity={"source_dir": folder.resolve().name, "listing": _listing_digest(folder, paths)},
        label_names=names,
        labels=np.array([indices[photograph.label] for photograph in listing.photographs]),
        paths=paths,
    )


def open_tfds(data: DataConfig) -> LabelledPhotographs:
    """The photographs of the split that `data` names; its records are read once for the labels.

    Raises:
      ConfigurationError: the data set can't be had, has no labelled photographs, or is empty.
    """
    records = open_tfds_records(data)
    labels = np.array([label for _, label in records.read()], np.int64)
    if not labels.size:
        raise ConfigurationError(
            f"--tfds_split must have examples, found none in {data.tfds_split!r}; choose another"
        )
    return _Records(
        identity={"tfds": records.identity},
        label_names=records.label_names,
        labels=labels,
        source=records,
    )


def _listing_digest(folder: pathlib.Path, paths: tuple[pathlib.Path, ...]) -> str:
    """Changes when a photograph comes, goes or changes its size."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size if path.exists() else -1
        digest.update(f"{path.relative_to(folder)!s}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _suffix(content: bytes) -> str:
    """The file suffix of the formats that TFDS stores photographs in."""
    return ".png" if content.startswith(b"\x89PNG") else ".jpg"
