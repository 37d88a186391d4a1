"""Takes a cache of decoded photographs away, if it is one and nobody uses it."""

import os
import pathlib
import shutil

from datasets.cache_location import LOCK_FILE, folder_cache, is_chain_cache
from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError, existing_folder


def cache_folders(data_dir: str | None, cache_dir: str | None) -> list[pathlib.Path]:
    """The caches that a user means: of one chain, or all below `cache_dir`.

    Raises:
      ConfigurationError: neither is given, or one is no folder.
    """
    if data_dir is not None:
        found = [folder_cache(str(existing_folder("data_dir", data_dir)), cache_dir)]
    elif cache_dir is not None:
        folder = existing_folder("cache_dir", cache_dir)
        found = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    else:
        raise ConfigurationError(
            "--data_dir must name the stores whose cache goes, or --cache_dir a folder of caches;"
            " found neither"
        )
    return [folder for folder in found if is_chain_cache(folder)]


def clear_cache(folder: pathlib.Path) -> int:
    """Removes the cache `folder`; returns the bytes of its files.

    Raises:
      ConfigurationError: it is no cache of ours, a run uses it, or it can't be removed.
    """
    if not is_chain_cache(folder):
        raise ConfigurationError(
            f"--cache_dir must be a cache that tff_retail made, found {folder} without its mark"
        )
    try:
        lock = FileLock(folder / LOCK_FILE)
        try:
            if not lock.take(wait=False):
                raise ConfigurationError(
                    f"--cache_dir must be in use by no run, found one reading {folder};"
                    " end it first"
                )
            return _remove(folder)
        finally:
            lock.release()
    except OSError as error:
        raise ConfigurationError(
            f"--cache_dir must be removable, found {error.filename or folder} ({error.strerror})"
        ) from error


def _remove(folder: pathlib.Path) -> int:
    # Under another name first, so that a kill half way leaves no cache that looks whole.
    leaving = folder.with_name(f".{folder.name.lstrip('.')}.leaving")
    shutil.rmtree(leaving, ignore_errors=True)
    num_bytes = sum(
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, files in os.walk(folder)
        for name in files
    )
    os.rename(folder, leaving)
    shutil.rmtree(leaving)
    return num_bytes
