"""A store's photographs as a table: `manifest.csv` with the columns `file` and `label`."""

import csv
import io
import pathlib
import unicodedata
from collections.abc import Iterator

from tff_retail.config import ConfigurationError

MANIFEST_FILE = "manifest.csv"


def read_manifest(store: pathlib.Path) -> Iterator[tuple[int, str, str]]:
    """Rows of `<store>/manifest.csv` as (line, file, label), as they are written.

    UTF-8 with or without a byte order mark; columns parted by comma, semicolon or tab, in any
    order, others among them ignored.

    Raises:
      ConfigurationError: the file can't be read or lacks one of the two columns.
    """
    path = store / MANIFEST_FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        names = {name.strip().lower(): name for name in rows.fieldnames or () if name}
        if not {"file", "label"} <= names.keys():
            raise ConfigurationError(
                f"{path} must have the columns file and label, found"
                f" {', '.join(names) or 'none'}; name them in its first line"
            )
        for row in rows:
            yield rows.line_num, row[names["file"]] or "", row[names["label"]] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path} must be a readable CSV file in UTF-8, found {error}; save it as UTF-8"
        ) from error


def path_within(store: pathlib.Path, file: str) -> pathlib.PurePosixPath | None:
    """The path that a row names, relative to `store`; None where it would lead outside.

    Backslashes are taken as slashes, and a name that is not there as spelled is looked up
    composed and decomposed (NFC, NFD).
    """
    path = pathlib.PurePosixPath(file.strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in file:
        return None
    spellings = (path, *(_renamed(path, form) for form in ("NFC", "NFD")))
    return next((found for found in spellings if (store / found).exists()), path)


def _renamed(path: pathlib.PurePosixPath, form: str) -> pathlib.PurePosixPath:
    return pathlib.PurePosixPath(unicodedata.normalize(form, str(path)))  # type: ignore[arg-type]


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)
