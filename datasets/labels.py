"""Names of products: one spelling for each, one order for all stores."""

import os
import pathlib
import unicodedata

from tff_retail.config import ConfigurationError

LABEL_FILE = "labels.txt"


def normalize_label(name: str) -> str:
    """`name` in Unicode's NFC without blanks around it.

    macOS keeps folder names decomposed (NFD), Linux and Windows as they were typed: without
    this, one product would become two labels. Bytes that are no UTF-8 become U+FFFD.
    """
    text = os.fsencode(name).decode("utf-8", errors="replace")
    return unicodedata.normalize("NFC", text).strip()


def read_label_file(path: pathlib.Path) -> tuple[str, ...] | None:
    """The labels that a chain's `labels.txt` fixes, in its order; None where there is no file.

    One label a line, UTF-8 with or without a byte order mark. Blank lines and repetitions
    are passed over.

    Raises:
      ConfigurationError: the file is not UTF-8, can't be read, or names no label.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} must be a readable text file in UTF-8, found {error}; save it as UTF-8"
        ) from error
    names = (normalize_label(line) for line in text.splitlines())
    labels = tuple(dict.fromkeys(name for name in names if name))
    if not labels:
        raise ConfigurationError(
            f"{path} must name one label a line, found none; fill it, or remove it"
            " to take the labels from the folders"
        )
    return labels
