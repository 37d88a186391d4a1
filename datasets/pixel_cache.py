"""A private folder of decoded photographs, found by the digest of their files.

    <folder>/lock                       held while something is added
    <folder>/<size>px-v<decoder>/       one folder for each image size and decoder
        <name>-<n>-<digest>.pixels      blocks (pixel_block) in the order they are read
        part-*.pixels                   photographs decoded so far, until a block takes them in
        unreadable.json                 digests of files that can't be decoded, with the reason

A kill loses at most one part; what is there is found again by its digests.
"""

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from datasets import pixel_block
from datasets.image_decoding import DECODER_VERSION
from datasets.private_files import TEMPORARY_MARK, make_private_folder, replacing

# What a kill may cost, and what is held in memory: about 2,400 photographs of 96x96 pixels.
MAX_PART_BYTES = 64 * 2**20
_PART = "part"


class PixelCache:
    """Decoded photographs of one store and one image size.

    Use it under the lock of `folder` (`FileLock(cache.lock_path)`).

    Args:
      folder: made where missing, for its owner alone.
      image_size: height and width of the pictures.
      source: another cache to take pictures from, or None.
    """

    def __init__(
        self, folder: pathlib.Path, image_size: int, source: "PixelCache | None" = None
    ) -> None:
        self.folder = folder
        self.image_size = image_size
        self._source = source
        self._sized = folder / f"{image_size}px-v{DECODER_VERSION}"
        make_private_folder(folder)
        make_private_folder(self._sized)
        self._rows: dict[bytes, tuple[pathlib.Path, int]] = {}
        self._pending: dict[bytes, np.ndarray] = {}
        self._unreadable: dict[str, str] = {}

    @property
    def lock_path(self) -> pathlib.Path:
        """The file to lock while this cache is used for writing."""
        return self.folder / "lock"

    def scan(self) -> None:
        """Finds what is there now."""
        self._rows.clear()
        for path in sorted(self._sized.glob("*.pixels")):
            keys = pixel_block.read_keys(path, self.image_size)
            if keys is not None:
                self._rows.update((key.tobytes(), (path, row)) for row, key in enumerate(keys))
        self._unreadable = _read_reasons(self._sized / "unreadable.json")

    def has(self, key: bytes) -> bool:
        """Whether the picture with this digest is here, or known to be unreadable."""
        return key in self._rows or key in self._pending or key.hex() in self._unreadable

    def take_in(
        self, key: bytes | None, pixels: np.ndarray | None, reason: str | None
    ) -> str | None:
        """Remembers what became of a photograph.

        Args:
          key: its digest, or None where it could not even be read.
          pixels: uint8 [image_size, image_size, 3], or None where there is nothing new.
          reason: why it can't be decoded, if that has just been found.

        Returns:
          Why it is no picture, now or since an earlier time; None if it is one.
        """
        if key is None:
            return reason
        if reason is not None:
            self._unreadable[key.hex()] = reason
        elif pixels is not None:
            self._pending[key] = pixels
            if len(self._pending) * pixels.nbytes >= MAX_PART_BYTES:
                self._write_part()
        return self._unreadable.get(key.hex())

    def block_path(self, name: str, keys: Sequence[bytes]) -> pathlib.Path:
        """Where the block `name` of the pictures `keys` lies, or will."""
        return self._sized / pixel_block.block_name(name, keys)

    def write_block(self, name: str, keys: Sequence[bytes]) -> pathlib.Path:
        """Makes the block `name` of the pictures `keys`, in this order, where it is missing."""
        path = self.block_path(name, keys)
        if keys and pixel_block.read_keys(path, self.image_size) is None:
            pixel_block.write_block(path, keys, map(self._row, keys), self.image_size)
        return path

    def finish(self, in_use: Sequence[pathlib.Path], *, is_alone: bool) -> None:
        """Removes what the blocks `in_use` replace.

        Args:
          in_use: blocks to keep.
          is_alone: whether no other process reads this chain's cache; otherwise only parts go,
            since a run that began earlier may still read other blocks.
        """
        values = json.dumps(self._unreadable, sort_keys=True).encode("ascii")
        reasons = self._sized / "unreadable.json"
        if self._unreadable != _read_reasons(reasons):
            with replacing(reasons) as file:
                file.write(values)
        for path in self._sized.iterdir():
            is_stale = path.suffix == ".pixels" and is_alone and path not in in_use
            if is_stale or path.name.startswith(f"{_PART}-") or TEMPORARY_MARK in path.name:
                path.unlink(missing_ok=True)

    def _row(self, key: bytes) -> np.ndarray:
        if key in self._pending:
            return self._pending[key]
        if key in self._rows:
            return pixel_block.read_row(*self._rows[key], self.image_size)
        if self._source is not None:
            return self._source._row(key)
        raise KeyError(key.hex())

    def _write_part(self) -> None:
        path = self.block_path(_PART, list(self._pending))
        pixel_block.write_block(path, list(self._pending), self._pending.values(), self.image_size)
        self._rows.update((key, (path, row)) for row, key in enumerate(self._pending))
        self._pending = {}


def _read_reasons(path: pathlib.Path) -> dict[str, str]:
    try:
        return {str(key): str(reason) for key, reason in json.loads(path.read_bytes()).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}  # missing or damaged: those files are tried once more
