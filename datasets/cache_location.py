"""Where a chain's decoded photographs lie, and how to know such a folder again.

<data_dir>/.tff_retail_cache/                      without --cache_dir
<cache_dir>/<name of data_dir>-<digest of path>/   with it, so that chains can share one
<tfds_data_dir>/.tff_retail_cache/<name>-<digest>/ of a TFDS data set without --cache_dir
    CACHEDIR.TAG                                   backup programs pass it over
    in_use.lock                                    held, shared, by every run that reads it
    <store>-<digest of name>/                      see pixel_cache
"""

import hashlib
import os
import pathlib
import re

from datasets.private_files import FileLock, make_private_folder, replacing
from tff_retail.config import DataConfig

DEFAULT_FOLDER = ".tff_retail_cache"
TAG_FILE = "CACHEDIR.TAG"
# The first line is fixed by https://bford.info/cachedir/, the second says whose it is.
TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Decoded photographs of tff_retail; clear with: python -m tff_retail.clear_cache\n"
)
LOCK_FILE = "in_use.lock"


def chain_cache_folder(data: DataConfig) -> pathlib.Path:
    """The cache folder of a chain; it need not exist."""
    if data.data_dir is not None:
        return folder_cache(data.data_dir, data.cache_dir)
    if data.cache_dir is not None:
        return pathlib.Path(data.cache_dir).expanduser() / keyed_name(_tfds_name(data))
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    tfds_data_dir = pathlib.Path(data.tfds_data_dir or default).expanduser()
    return tfds_data_dir / DEFAULT_FOLDER / keyed_name(_tfds_name(data))


def folder_cache(folder: str, cache_dir: str | None) -> pathlib.Path:
    """The cache folder of what is read from `folder`; it need not exist."""
    source = pathlib.Path(folder).expanduser()
    if cache_dir is None:
        return source / DEFAULT_FOLDER
    return pathlib.Path(cache_dir).expanduser() / keyed_name(folder, str(source.resolve()))


def make_chain_cache(folder: pathlib.Path) -> FileLock:
    """Makes a chain's cache folder, private and tagged, and returns its lock, not yet taken.

    Raises:
      OSError: it can't be made.
    """
    make_private_folder(folder)
    tag = folder / TAG_FILE
    if not tag.exists():
        with replacing(tag) as file:
            file.write(TAG.encode("ascii"))
    return FileLock(folder / LOCK_FILE)


def is_chain_cache(folder: pathlib.Path) -> bool:
    """Whether `folder` is a cache that this program made."""
    try:
        return (folder / TAG_FILE).read_text(encoding="ascii") == TAG
    except (OSError, UnicodeDecodeError):
        return False


def keyed_name(name: str, identity: str | None = None) -> str:
    """A short, safe folder name for any `name`: readable start, digest of `identity`."""
    digest = hashlib.sha256(os.fsencode(identity or name)).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9]+", "_", pathlib.PurePath(name).name)[:32].strip("_")
    return f"{readable or 'store'}-{digest}"


def _tfds_name(data: DataConfig) -> str:
    return f"tfds {data.tfds} {data.tfds_split}"
