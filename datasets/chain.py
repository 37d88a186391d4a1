"""A chain of stores from what a user names: a folder of store folders, or a TFDS data set."""

import dataclasses
from collections.abc import Callable

from datasets.cached_store import CachedStore
from datasets.chain_report import ChainReport
from datasets.left_out import REPORT_FILE, nothing_left, report_of
from datasets.private_files import explaining_failures
from datasets.store_folders import read_store_folders
from datasets.store_photographs import StorePhotographs, store_photographs
from tff_retail.config import ConfigurationError, DataConfig

# One label leaves nothing to tell apart.
MIN_LABELS = 2
CHAIN_LAYOUT = "<data_dir>/<store>/<label>/<photograph>.jpg"


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """Stores with one order of labels.

    Attributes:
      labels: names in NFC; an example's label is a position in here.
      stores: those with at least one usable photograph, sorted by name.
      report: what was left out.
    """

    labels: tuple[str, ...]
    stores: tuple[StorePhotographs, ...]
    report: ChainReport


def open_chain(
    data: DataConfig,
    image_size: int,
    *,
    labels: tuple[str, ...] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    workers: int = 2,
) -> Chain:
    """Reads a chain, decoding into the cache what is not there yet.

    What was left out is also written to `report.json` in the chain's cache folder.

    Args:
      data: which chain, and where its cache is.
      image_size: height and width to decode to.
      labels: set and order of the labels (a trained model's); None to take them from
        `labels.txt`, or else from the folders.
      on_progress: called with (photographs done, photographs in all).
      workers: threads that read and decode.

    Raises:
      ConfigurationError: a folder or file of the chain breaks its rule, the cache can't be
        written, or no store is left.
    """
    if data.tfds is not None:
        from datasets.tfds_source import read_tfds  # TensorFlow only where it is needed

        cached = read_tfds(data, image_size, labels, on_progress, workers)
    else:
        cached = read_store_folders(data, image_size, labels, on_progress, workers)
    report = report_of(cached)
    with explaining_failures(cached.root):
        report.write(cached.root / REPORT_FILE)
    used = [store for store in cached.stores if store.num_examples]
    if not used:
        source = f"--data_dir={data.data_dir}" if data.data_dir else f"--tfds={data.tfds}"
        raise ConfigurationError(nothing_left(source, cached, CHAIN_LAYOUT))
    labels = cached.labels or _labels_of(used)
    if len(labels) < MIN_LABELS:
        raise ConfigurationError(
            f"--data_dir must hold photographs of at least {MIN_LABELS} labels, found only"
            f" {', '.join(labels)}; the layout is {CHAIN_LAYOUT}"
        )
    positions = {label: position for position, label in enumerate(labels)}
    stores = tuple(store_photographs(store, positions, image_size, cached.lock) for store in used)
    return Chain(labels, stores, report)


def _labels_of(stores: list[CachedStore]) -> tuple[str, ...]:
    splits = (split for store in stores for split in store.splits.values())
    return tuple(sorted({label for split in splits for label in split.labels}))
