"""A chain simulated from a TensorFlow data set: its examples spread over stores by a partitioner.

They pass the same decoder and the same kind of cache as those of store folders.

    <root>/all/                    every example, decoded; stores take theirs from here
    <root>/examples-<digest>.npz   keys and labels, so that a second run reads no record
    <root>/<store>-<digest>/       as for store folders
"""

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Collection, Iterator

import numpy as np

from datasets.cache_location import chain_cache_folder, keyed_name
from datasets.cached_store import CachedChain, CachedStore
from datasets.chain_report import SkippedFile
from datasets.partitioners import partition
from datasets.photograph_cache import CacheFiller, filling_cache
from datasets.pixel_block import KEY_BYTES
from datasets.pixel_cache import PixelCache
from datasets.private_files import FileLock, replacing
from datasets.progress_count import ProgressCount
from datasets.tfds_records import TfdsRecords, open_tfds_records
from tff_retail.config import DataConfig

# Which examples a store holds is part of the data, not of a run: it is the same for every --seed.
PARTITION_SEED = 1


@dataclasses.dataclass(frozen=True, eq=False)
class _Examples:
    """In the order of the data set: keys uint8 [n, 32], labels int32 [n]."""

    keys: np.ndarray
    labels: np.ndarray


def read_tfds(
    data: DataConfig,
    image_size: int,
    labels: tuple[str, ...] | None,
    on_progress: Callable[[int, int], None] | None,
    workers: int,
) -> CachedChain:
    """Spreads `data.tfds` over `data.num_stores` stores, through the cache.

    Args: those of `chain.open_chain`.

    Raises:
      ConfigurationError: there is no such data set or split, it has no photograph with a
        label, it can't be fetched, or the cache can't be written.
    """
    records = open_tfds_records(data)
    root = chain_cache_folder(data)
    count = ProgressCount(records.num_examples, on_progress)
    with filling_cache(
        root,
        image_size=image_size,
        validation_fraction=data.validation_fraction,
        workers=workers,
        on_photograph=count.add_one,
    ) as filler:
        pool = PixelCache(root / "all", image_size)
        with FileLock(pool.lock_path):
            examples, skipped = _fill_pool(records, root, pool, filler)
            names = np.array(records.label_names)[examples.labels]
            kept = np.flatnonzero(np.isin(names, labels or records.label_names))
            stores = []
            for name, part in _parts(data, examples.labels, kept):
                chosen = [(examples.keys[i].tobytes(), str(names[i])) for i in part]
                stores.append(_cut_store(root, name, chosen, pool, filler))
    if stores:
        stores[0] = dataclasses.replace(stores[0], skipped=skipped)
    other_labels = collections.Counter(np.delete(names, kept).tolist())
    return CachedChain(
        stores=tuple(stores),
        labels=labels or records.label_names,
        num_photographs=records.num_examples,
        other_labels=dict(sorted(other_labels.items())),
        root=root,
        lock=filler.lock,
    )


def _parts(
    data: DataConfig, labels: np.ndarray, kept: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Names of stores and positions of their examples, out of the positions `kept`."""
    if not len(kept):
        return
    parts = partition(
        labels[kept],
        method=data.partitioner,
        num_stores=data.num_stores,
        alpha=data.partition_alpha,
        seed=PARTITION_SEED,
    )
    width = len(str(len(parts) - 1))
    for number, part in enumerate(parts):
        yield f"store_{number:0{width}d}", kept[part]


def _cut_store(
    root: pathlib.Path,
    name: str,
    examples: list[tuple[bytes, str]],
    pool: PixelCache,
    filler: CacheFiller,
) -> CachedStore:
    cache = PixelCache(root / keyed_name(name), filler.image_size, source=pool)
    with FileLock(cache.lock_path):
        cache.scan()
        return filler.cut(name, cache, examples)


def _fill_pool(
    records: TfdsRecords, root: pathlib.Path, pool: PixelCache, filler: CacheFiller
) -> tuple[_Examples, tuple[SkippedFile, ...]]:
    """Decodes what the pool lacks; the usable examples, and the others with their reasons."""
    pool.scan()
    identity = hashlib.sha256(records.identity.encode()).hexdigest()
    path = root / f"examples-{identity[:16]}.npz"
    examples = _read_examples(path)
    if examples is None or not all(pool.has(key.tobytes()) for key in examples.keys):
        examples = _decode(records, pool, filler)
        with replacing(path) as file:
            np.savez(file, keys=examples.keys, labels=examples.labels)
    else:
        for _ in examples.keys:
            filler.on_photograph()
    keys = [key.tobytes() for key in examples.keys]
    reasons = [pool.take_in(key, None, None) for key in keys]
    is_usable = np.array([reason is None for reason in reasons], bool)
    pool.finish([pool.write_block("all", _usable(keys, is_usable))], is_alone=filler.is_alone)
    pool.scan()
    skipped = tuple(
        SkippedFile(records.builder.name, f"example {position}", reason)
        for position, reason in enumerate(reasons)
        if reason is not None
    )
    return _Examples(examples.keys[is_usable], examples.labels[is_usable]), skipped


def _usable(keys: list[bytes], is_usable: Collection[bool]) -> list[bytes]:
    return sorted({key for key, usable in zip(keys, is_usable, strict=True) if usable})


def _decode(records: TfdsRecords, pool: PixelCache, filler: CacheFiller) -> _Examples:
    keys: list[bytes] = []
    labels: list[int] = []

    def contents() -> Iterator[bytes]:
        for content, label in records.read():
            labels.append(label)
            yield content

    for decoding in filler.decode_all(contents(), pool.has):
        pool.take_in(decoding.key, decoding.pixels, decoding.reason)
        keys.append(decoding.key or b"")
        filler.on_photograph()
    flat = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
    return _Examples(flat, np.array(labels, np.int32))


def _read_examples(path: pathlib.Path) -> _Examples | None:
    try:
        with np.load(path) as arrays:
            return _Examples(arrays["keys"], arrays["labels"])
    except (FileNotFoundError, ValueError, KeyError, EOFError):
        return None  # missing, or damaged from outside: the records are read once more
