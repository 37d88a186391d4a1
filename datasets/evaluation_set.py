"""The test set that headquarters owns: label folders, read like those of one store."""

import collections
import dataclasses
from collections.abc import Callable

from datasets.cache_location import folder_cache, keyed_name
from datasets.cached_store import CachedChain
from datasets.chain_report import ChainReport
from datasets.left_out import REPORT_FILE, nothing_left, report_of
from datasets.photograph_cache import filling_cache
from datasets.private_files import explaining_failures
from datasets.progress_count import ProgressCount
from datasets.store_listing import keep_labels, list_store
from datasets.store_photographs import StorePhotographs, store_photographs
from tff_retail.config import ConfigurationError, existing_folder

EVALUATION_LAYOUT = "<eval_dir>/<label>/<photograph>.jpg"
_NAME = "headquarters"


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationSet(StorePhotographs):
    """Photographs to evaluate on, all of them in the split `validation`.

    Attributes:
      report: what was left out.
    """

    report: ChainReport


def open_evaluation_set(
    eval_dir: str,
    labels: tuple[str, ...],
    image_size: int,
    cache_dir: str | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    workers: int = 2,
) -> EvaluationSet:
    """Reads `<eval_dir>/<label>/*.jpg`, or `<eval_dir>/manifest.csv`, through a cache.

    Args:
      eval_dir: folder of label folders; there are no stores in it.
      labels: the model's; photographs of others are counted and left out.
      image_size: height and width to decode to.
      cache_dir: None for `<eval_dir>/.tff_retail_cache`.
      on_progress: called with (photographs done, photographs in all).
      workers: threads that read and decode.

    Raises:
      ConfigurationError: no such folder, nothing usable in it, or the cache can't be written.
    """
    listing = list_store(existing_folder("eval_dir", eval_dir), _NAME)
    num_photographs = len(listing.photographs) + len(listing.skipped)
    other_labels: collections.Counter[str] = collections.Counter()
    listing = keep_labels(listing, frozenset(labels), other_labels)
    root = folder_cache(eval_dir, cache_dir)
    count = ProgressCount(len(listing.photographs), on_progress)
    with filling_cache(
        root,
        image_size=image_size,
        validation_fraction=1.0,
        workers=workers,
        on_photograph=count.add_one,
    ) as filler:
        store = filler.fill(listing, root / keyed_name(_NAME))
    cached = CachedChain(
        (store,), labels, num_photographs, dict(sorted(other_labels.items())), root, filler.lock
    )
    report = report_of(cached)
    with explaining_failures(root):
        report.write(root / REPORT_FILE)
    if not store.num_examples:
        raise ConfigurationError(nothing_left(f"--eval_dir={eval_dir}", cached, EVALUATION_LAYOUT))
    positions = {label: position for position, label in enumerate(labels)}
    photographs = store_photographs(store, positions, image_size, filler.lock)
    return EvaluationSet(**vars(photographs), report=report)
