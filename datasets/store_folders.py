"""Reads a chain that is a folder of store folders."""

import collections
import pathlib
from collections.abc import Callable

from datasets.cache_location import chain_cache_folder, keyed_name
from datasets.cached_store import CachedChain
from datasets.labels import LABEL_FILE, read_label_file
from datasets.photograph_cache import filling_cache
from datasets.progress_count import ProgressCount
from datasets.store_listing import StoreListing, keep_labels, list_stores
from tff_retail.config import ConfigurationError, DataConfig, existing_folder


def read_store_folders(
    data: DataConfig,
    image_size: int,
    labels: tuple[str, ...] | None,
    on_progress: Callable[[int, int], None] | None,
    workers: int,
) -> CachedChain:
    """Lists the stores of `data.data_dir` and brings their caches up to date.

    Args: those of `chain.open_chain`.

    Raises:
      ConfigurationError: the folder, a manifest, `labels.txt` or the cache breaks its rule.
    """
    data_dir = existing_folder("data_dir", data.data_dir or "")
    labels = labels or read_label_file(data_dir / LABEL_FILE)
    listings = _list_stores(data, data_dir)
    num_photographs = sum(len(listing.photographs) + len(listing.skipped) for listing in listings)
    other_labels: collections.Counter[str] = collections.Counter()
    if labels is not None:
        listings = [keep_labels(listing, frozenset(labels), other_labels) for listing in listings]
    root = chain_cache_folder(data)
    count = ProgressCount(sum(len(listing.photographs) for listing in listings), on_progress)
    with filling_cache(
        root,
        image_size=image_size,
        validation_fraction=data.validation_fraction,
        workers=workers,
        on_photograph=count.add_one,
    ) as filler:
        stores = [filler.fill(listing, root / keyed_name(listing.name)) for listing in listings]
    return CachedChain(
        stores=tuple(stores),
        labels=labels,
        num_photographs=num_photographs,
        other_labels=dict(sorted(other_labels.items())),
        root=root,
        lock=filler.lock,
    )


def _list_stores(data: DataConfig, data_dir: pathlib.Path) -> list[StoreListing]:
    """Folders of ours that a user put beside the stores are no stores."""
    ours = (data.cache_dir, data.eval_dir)
    ignored = {pathlib.Path(path).expanduser().resolve() for path in ours if path is not None}
    try:
        return list_stores(data_dir, ignored)
    except OSError as error:
        raise ConfigurationError(
            f"--data_dir must be a folder this user can read, found {data_dir} ({error.strerror});"
            " check its permissions"
        ) from error
