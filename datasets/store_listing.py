"""Which photographs a store has, by its folders or its manifest; nothing is opened here.

    <store>/<label>/**/*.jpg|jpeg|png|webp|bmp      the first folder is the label
    <store>/manifest.csv                            in place of that, where there is one

Hidden files and folders are passed over. Links are followed for stores, labels and
photographs, not for folders below a label (they could form a circle).
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Collection, Iterator

from datasets.cache_location import is_chain_cache
from datasets.chain_report import SkippedFile
from datasets.image_decoding import is_photograph_name
from datasets.labels import normalize_label
from datasets.manifest_csv import MANIFEST_FILE, path_within, read_manifest

# Folders that file managers and network disks leave behind.
_SYSTEM_FOLDERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"}
# Photographs all the same, which a user would miss without a word.
_OTHER_FORMATS = {".heic", ".heif", ".avif", ".gif", ".tif", ".tiff", ".jfif", ".dng", ".jxl"}


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A file that claims to be a photograph of the product `label`."""

    path: str
    label: str


@dataclasses.dataclass(frozen=True)
class StoreListing:
    """A store before anything of it is read.

    Attributes:
      name: the folder's name, normalised.
      folder: where its photographs' paths start.
      photographs: sorted by path.
      skipped: files that can be left out already, with the reason.
    """

    name: str
    folder: pathlib.Path
    photographs: tuple[Photograph, ...]
    skipped: tuple[SkippedFile, ...]


def list_stores(
    data_dir: pathlib.Path, ignored: Collection[pathlib.Path] = ()
) -> list[StoreListing]:
    """The stores of a chain, sorted by name.

    Args:
      data_dir: folder of store folders.
      ignored: resolved folders that are no stores (the cache, the evaluation set).

    Raises:
      ConfigurationError: a manifest is malformed.
      OSError: `data_dir` can't be listed.
    """
    folders = [folder for folder in _subfolders(data_dir) if folder.resolve() not in ignored]
    names = _unique_names(folders)
    return sorted(
        (list_store(folder, name) for folder, name in zip(folders, names, strict=True)),
        key=lambda store: store.name,
    )


def list_store(folder: pathlib.Path, name: str) -> StoreListing:
    """The photographs of one store folder.

    Raises:
      ConfigurationError: its manifest is malformed.
    """
    skipped: list[SkippedFile] = []
    photographs: list[Photograph] = []
    try:
        has_manifest = (folder / MANIFEST_FILE).is_file()
        list_photographs = _from_manifest if has_manifest else _from_folders
        photographs.extend(list_photographs(folder, name, skipped))
    except OSError as error:
        skipped.append(SkippedFile(name, ".", error.strerror or str(error)))
    photographs.sort(key=lambda photograph: (photograph.path, photograph.label))
    return StoreListing(name, folder, tuple(photographs), tuple(skipped))


def keep_labels(
    listing: StoreListing, labels: Collection[str], other_labels: collections.Counter[str]
) -> StoreListing:
    """The listing with photographs of `labels` alone; the rest is counted in `other_labels`."""
    kept = tuple(photo for photo in listing.photographs if photo.label in labels)
    other_labels.update(photo.label for photo in listing.photographs if photo.label not in labels)
    return dataclasses.replace(listing, photographs=kept)


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that any terminal and file takes, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def _unique_names(folders: list[pathlib.Path]) -> list[str]:
    """Names of stores; two folders that differ only in normalisation keep their own spelling."""
    names = [normalize_label(folder.name) or printable(folder.name) for folder in folders]
    uses = collections.Counter(names)
    return [
        name if uses[name] == 1 else printable(folder.name)
        for name, folder in zip(names, folders, strict=True)
    ]


def _from_manifest(
    folder: pathlib.Path, store: str, skipped: list[SkippedFile]
) -> Iterator[Photograph]:
    seen = set()
    for line, file, label in read_manifest(folder):
        path, name = path_within(folder, file), normalize_label(label)
        if path is None:
            skipped.append(SkippedFile(store, file, f"line {line}: not inside the store's folder"))
        elif not name:
            skipped.append(SkippedFile(store, file, f"line {line}: no label"))
        elif (path, name) not in seen:
            seen.add((path, name))
            yield Photograph(str(path), name)


def _from_folders(
    folder: pathlib.Path, store: str, skipped: list[SkippedFile]
) -> Iterator[Photograph]:
    for label_folder in _subfolders(folder):
        label = normalize_label(label_folder.name)
        if not label:
            continue
        for path in _files_below(label_folder, folder, store, skipped):
            if is_photograph_name(path):
                yield Photograph(str(path.relative_to(folder)), label)
            else:
                _skip_other_format(path.relative_to(folder), store, skipped)
    for path in _entries(folder):
        if is_photograph_name(path) and not path.is_dir():
            skipped.append(SkippedFile(store, printable(path.name), "not in the folder of a label"))


def _files_below(
    label_folder: pathlib.Path, folder: pathlib.Path, store: str, skipped: list[SkippedFile]
) -> Iterator[pathlib.Path]:
    def skip_folder(error: OSError) -> None:
        path = os.path.relpath(error.filename or label_folder, folder)
        skipped.append(SkippedFile(store, printable(path), error.strerror or str(error)))

    for parent, folders, files in os.walk(label_folder, onerror=skip_folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for name in files:
            if not _is_hidden(name):
                yield pathlib.Path(parent, name)


def _skip_other_format(path: pathlib.Path, store: str, skipped: list[SkippedFile]) -> None:
    if path.suffix.lower() in _OTHER_FORMATS:
        reason = f"{path.suffix.lower()} is not read; convert it to JPEG"
        skipped.append(SkippedFile(store, printable(path), reason))


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Without caches, which a user may have put among the stores with --cache_dir."""
    return [path for path in _entries(folder) if path.is_dir() and not is_chain_cache(path)]


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.iterdir() if not _is_hidden(path.name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FOLDERS
