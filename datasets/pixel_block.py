"""One file of decoded photographs: pixels first, so that they can be mapped from offset 0.

    rows     uint8 [n, size, size, 3]   from the first byte of the file, hence page-aligned
    keys     uint8 [n, 32]              SHA-256 of each photograph's file
    footer   magic, n, size             little-endian

A block appears whole under its name or not at all (`replacing`), and a file whose footer or
length does not fit is passed over as if it were not there.
"""

import hashlib
import pathlib
import struct
from collections.abc import Iterable, Sequence

import numpy as np

from datasets.private_files import replacing

KEY_BYTES = 32
_MAGIC = b"TFFRPIX1"
_FOOTER = struct.Struct("<8sQQ")


def block_name(prefix: str, keys: Sequence[bytes]) -> str:
    """A file name that says which rows are inside, so equal content has equal names."""
    digest = hashlib.sha256(b"".join(keys)).hexdigest()
    return f"{prefix}-{len(keys)}-{digest[:24]}.pixels"


def write_block(
    path: pathlib.Path, keys: Sequence[bytes], rows: Iterable[np.ndarray], image_size: int
) -> None:
    """Writes `rows`, each uint8 [image_size, image_size, 3], under their `keys`."""
    with replacing(path) as file:
        for row in rows:
            file.write(np.ascontiguousarray(row).data)
        file.write(b"".join(keys))
        file.write(_FOOTER.pack(_MAGIC, len(keys), image_size))


def read_keys(path: pathlib.Path, image_size: int) -> np.ndarray | None:
    """The keys of a block, uint8 [n, 32]; None for a file that is no whole block."""
    try:
        with open(path, "rb") as file:
            length = file.seek(0, 2)
            if length < _FOOTER.size:
                return None
            file.seek(length - _FOOTER.size)
            magic, count, size = _FOOTER.unpack(file.read())
            keys_at = count * _row_bytes(image_size)
            is_whole = length == keys_at + count * KEY_BYTES + _FOOTER.size
            if magic != _MAGIC or size != image_size or not is_whole:
                return None
            file.seek(keys_at)
            keys = np.frombuffer(file.read(count * KEY_BYTES), dtype=np.uint8)
    except FileNotFoundError:
        return None
    return keys.reshape(count, KEY_BYTES)


def read_row(path: pathlib.Path, row: int, image_size: int) -> np.ndarray:
    """One picture of a block, uint8 [image_size, image_size, 3]."""
    shape = (image_size, image_size, 3)
    offset, count = row * _row_bytes(image_size), _row_bytes(image_size)
    return np.fromfile(path, dtype=np.uint8, count=count, offset=offset).reshape(shape)


def map_pixels(path: pathlib.Path, num_rows: int, image_size: int) -> np.ndarray:
    """The pixels of a block, read-only uint8 [num_rows, image_size, image_size, 3].

    Raises:
      FileNotFoundError: the block is gone.
    """
    shape = (num_rows, image_size, image_size, 3)
    if num_rows == 0:  # an empty file can't be mapped
        return np.zeros(shape, np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r", shape=shape)


def _row_bytes(image_size: int) -> int:
    return image_size * image_size * 3
