"""Labelled photographs to measure a model on: a chain's stores, or folders of a test set."""

import concurrent.futures
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from datasets.chain import open_chain
from datasets.image_decoding import UnreadablePhotograph, decode_photograph
from datasets.store_listing import Photograph, list_store, printable
from tff_retail.config import ConfigurationError, DataConfig

SPLITS = ("validation", "train", "all")

# Images uint8 [b, S, S, 3] and the name of each one's label.
Batch = tuple[np.ndarray, list[str]]

# Images held at once: a bound on memory.
_BATCH_SIZE = 32
_NUM_DECODERS = 2


def chain_photographs(
    data: DataConfig, *, image_size: int, split: str, notices: list[str]
) -> Iterator[Batch]:
    """Photographs of every store of a chain.

    Args:
      data: which chain, where its cache is, and how much of it is for validation.
      image_size: S, in pixels.
      split: one of `SPLITS`.
      notices: gets a sentence for each thing that was left out.

    Raises:
      ConfigurationError: the chain can't be read, or has nothing in the split.
    """
    chain = open_chain(data, image_size)
    notices.extend(chain.report.notices)
    splits = ("train", "validation") if split == "all" else (split,)
    pairs = list(itertools.product(chain.stores, splits))
    if not any(store.num_examples(name) for store, name in pairs):
        raise ConfigurationError(
            f"--split must name photographs that exist, found none in {split!r}; "
            "try --split=all or a larger --validation_fraction"
        )
    for store, name in pairs:
        examples = store.load(name)
        for start in range(0, len(examples), _BATCH_SIZE):
            batch = slice(start, start + _BATCH_SIZE)
            names = [chain.labels[label] for label in examples.labels[batch]]
            yield np.asarray(examples.features[batch]), names


def folder_photographs(
    eval_dir: pathlib.Path, *, image_size: int, notices: list[str]
) -> Iterator[Batch]:
    """Photographs of a test set `<eval_dir>/<label>/*.jpg`, or of one with a `manifest.csv`.

    Args:
      eval_dir: the folder.
      image_size: S, in pixels.
      notices: gets a sentence at the end if files could not be read.

    Raises:
      ConfigurationError: the folder holds no photograph, or its manifest is malformed.
    """
    listing = list_store(eval_dir, eval_dir.name)
    if not listing.photographs:
        raise ConfigurationError(
            f"--eval_dir must hold photographs in a folder for each label, found none in "
            f"{str(eval_dir)!r}; the layout is <eval_dir>/<label>/*.jpg"
        )
    skipped = [f"{printable(file.path)} ({file.reason})" for file in listing.skipped]

    def decode(photograph: Photograph) -> np.ndarray | None:
        try:
            return decode_photograph(os.path.join(eval_dir, photograph.path), image_size)
        except UnreadablePhotograph as error:
            skipped.append(f"{printable(photograph.path)} ({error})")
            return None

    with concurrent.futures.ThreadPoolExecutor(_NUM_DECODERS) as decoders:
        for start in range(0, len(listing.photographs), _BATCH_SIZE):
            photographs = listing.photographs[start : start + _BATCH_SIZE]
            yield from _batch(photographs, list(decoders.map(decode, photographs)))
    if skipped:
        notices.append(f"{len(skipped)} files can't be used and are left out, such as {skipped[0]}")


def _batch(
    photographs: Sequence[Photograph], decoded: Sequence[np.ndarray | None]
) -> Iterator[Batch]:
    pairs = zip(photographs, decoded, strict=True)
    readable = [(photograph, image) for photograph, image in pairs if image is not None]
    if readable:
        yield (
            np.stack([image for _, image in readable]),
            [photograph.label for photograph, _ in readable],
        )
