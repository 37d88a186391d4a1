"""A store's photographs, decoded once: from its listing to blocks that are read at memory speed."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from datasets.bounded_map import bounded_map
from datasets.cache_location import make_chain_cache
from datasets.cached_store import SPLITS, CachedSplit, CachedStore
from datasets.chain_report import SkippedFile
from datasets.content_split import validation_mask
from datasets.image_decoding import UnreadablePhotograph, decode_content, read_regular_file
from datasets.photograph_index import INDEX_FILE, PhotographIndex
from datasets.pixel_block import KEY_BYTES
from datasets.pixel_cache import PixelCache
from datasets.private_files import FileLock, explaining_failures
from datasets.store_listing import Photograph, StoreListing, printable


@dataclasses.dataclass(frozen=True, eq=False)
class Decoding:
    """What became of the bytes of one photograph.

    Attributes:
      key: SHA-256 of the bytes; None where they could not be read.
      pixels: uint8 [image_size, image_size, 3], where they were wanted and came out.
      reason: why there are no pixels, where they were wanted.
      status: of the file, where there is one.
    """

    key: bytes | None
    pixels: np.ndarray | None = None
    reason: str | None = None
    status: os.stat_result | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheFiller:
    """Fills caches of stores with several threads (Pillow decodes outside Python's lock).

    Attributes:
      image_size: height and width of the pictures.
      validation_fraction: see `content_split`.
      executor: runs the threads.
      max_waiting: photographs read ahead; bounds the memory.
      lock: of the whole cache; keep it for as long as its blocks are read.
      is_alone: whether no other process reads this cache.
      on_photograph: called after each photograph.
    """

    image_size: int
    validation_fraction: float
    executor: concurrent.futures.Executor
    max_waiting: int
    lock: FileLock
    is_alone: bool
    on_photograph: Callable[[], None]

    def fill(self, listing: StoreListing, folder: pathlib.Path) -> CachedStore:
        """Brings the cache `folder` up to date with the photographs of a store.

        Raises:
          OSError: the cache can't be written.
        """
        cache = PixelCache(folder, self.image_size)
        with FileLock(cache.lock_path):
            cache.scan()
            index = PhotographIndex(folder / INDEX_FILE)
            examples: list[tuple[bytes, str]] = []
            skipped = list(listing.skipped)
            for photograph, decoding in self._decodings(listing, cache, index):
                reason = cache.take_in(decoding.key, decoding.pixels, decoding.reason)
                if decoding.key is not None and decoding.status is not None:
                    index.add(photograph.path, decoding.status, decoding.key)
                if decoding.key is not None and reason is None:
                    examples.append((decoding.key, photograph.label))
                else:
                    path = printable(photograph.path)
                    skipped.append(SkippedFile(listing.name, path, str(reason)))
                self.on_photograph()
            index.save()
            store = self.cut(listing.name, cache, examples)
        skipped.sort(key=lambda file: file.path)
        return dataclasses.replace(store, skipped=tuple(skipped))

    def decode_all(
        self, contents: Iterable[bytes], has: Callable[[bytes], bool]
    ) -> Iterator[Decoding]:
        """Decodes photographs given as bytes, in order, except those that `has` knows."""
        return bounded_map(
            self.executor,
            lambda content: decode_new(content, has, self.image_size),
            contents,
            self.max_waiting,
        )

    def cut(
        self, name: str, cache: PixelCache, examples: Sequence[tuple[bytes, str]]
    ) -> CachedStore:
        """Writes one block for each split of the examples (key, label), all known to `cache`."""
        unique = sorted(set(examples))
        keys = [key for key, _ in unique]
        is_validation = validation_mask(keys, self.validation_fraction)
        splits = {}
        for split, mask in zip(SPLITS, (~is_validation, is_validation), strict=True):
            chosen = [unique[position] for position in np.flatnonzero(mask)]
            splits[split] = _write_split(split, cache, chosen)
        cache.finish([split.block for split in splits.values()], is_alone=self.is_alone)
        return CachedStore(
            name=name,
            cache_dir=cache.folder,
            splits=splits,
            num_repeated=len(examples) - len(unique),
            num_ambiguous=sum(count > 1 for count in collections.Counter(keys).values()),
        )

    def _decodings(
        self, listing: StoreListing, cache: PixelCache, index: PhotographIndex
    ) -> Iterator[tuple[Photograph, Decoding]]:
        """First what needs no reading, then the rest, read a bounded number of files ahead."""
        unread = []
        for photograph in listing.photographs:
            key = _known_key(listing, photograph, index)
            if key is not None and cache.has(key):
                yield photograph, Decoding(key)
            else:
                unread.append(photograph)
        decodings = bounded_map(
            self.executor,
            lambda photograph: _decode_file(
                listing.folder / photograph.path, cache.has, self.image_size
            ),
            unread,
            self.max_waiting,
        )
        yield from zip(unread, decodings, strict=True)


@contextlib.contextmanager
def filling_cache(
    root: pathlib.Path,
    *,
    image_size: int,
    validation_fraction: float,
    workers: int,
    on_photograph: Callable[[], None],
) -> Iterator[CacheFiller]:
    """A filler for the stores' caches below `root`; its threads end with the block.

    Raises:
      ConfigurationError: the cache can't be written, or the disk is full.
    """
    with explaining_failures(root), concurrent.futures.ThreadPoolExecutor(workers) as executor:
        lock, is_alone = _lock_chain(root)
        try:
            yield CacheFiller(
                image_size=image_size,
                validation_fraction=validation_fraction,
                executor=executor,
                max_waiting=2 * workers,
                lock=lock,
                is_alone=is_alone,
                on_photograph=on_photograph,
            )
            lock.take(shared=True)
        finally:
            executor.shutdown(cancel_futures=True)


def _lock_chain(root: pathlib.Path) -> tuple[FileLock, bool]:
    """Makes and locks the cache; whether no other process uses it."""
    while True:
        lock = make_chain_cache(root)
        is_alone = lock.take(wait=False)
        if not is_alone:
            lock.take(shared=True)
        if lock.is_current():  # or else the cache was cleared while this process waited
            return lock, is_alone
        lock.release()


def decode_new(content: bytes, has: Callable[[bytes], bool], image_size: int) -> Decoding:
    """Decodes the bytes of a photograph, unless `has` knows their digest."""
    key = hashlib.sha256(content).digest()
    if has(key):
        return Decoding(key)
    try:
        return Decoding(key, pixels=decode_content(content, image_size))
    except UnreadablePhotograph as error:
        return Decoding(key, reason=str(error))


def _decode_file(path: pathlib.Path, has: Callable[[bytes], bool], image_size: int) -> Decoding:
    try:
        content, status = read_regular_file(path)
    except UnreadablePhotograph as error:
        return Decoding(None, reason=str(error))
    return dataclasses.replace(decode_new(content, has, image_size), status=status)


def _known_key(
    listing: StoreListing, photograph: Photograph, index: PhotographIndex
) -> bytes | None:
    try:
        return index.key(photograph.path, os.stat(listing.folder / photograph.path))
    except (OSError, ValueError):  # reading it will say what is wrong with it
        return None


def _write_split(name: str, cache: PixelCache, examples: list[tuple[bytes, str]]) -> CachedSplit:
    keys = [key for key, _ in examples]
    return CachedSplit(
        block=cache.write_block(name, keys),
        keys=np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES),
        labels=tuple(label for _, label in examples),
    )
