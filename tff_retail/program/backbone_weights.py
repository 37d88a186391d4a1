"""Reads the weights of a backbone, of which a graph says how many and how large they are."""

import io
import zipfile
from collections.abc import Sequence

import numpy as np

from tff_retail.program.store_manifest import UnusableManifest
from tff_retail.runtime.graph_part import Leaf


def read_backbone_weights(archive: bytes, leaves: Sequence[Leaf]) -> list[np.ndarray]:
    """The arrays of an npz archive, in the order of their names; views of its entries.

    An archive may say that an entry is compressed, or that an array is larger than it is: neither
    is believed, so that no more memory is taken than there are bytes.

    Args:
      archive: uncompressed, as `FrozenBackbone.weights_file` makes it.
      leaves: what the graph takes them as.

    Raises:
      UnusableManifest: these are not its weights.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            entries = sorted(file.infolist(), key=lambda entry: entry.filename)
            if len(entries) != len(leaves):
                raise ValueError(f"expected {len(leaves)} arrays, found {len(entries)}")
            return [_array(file, *pair) for pair in zip(entries, leaves, strict=True)]
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise UnusableManifest("the backbone's weights can't be read") from error


def _array(file: zipfile.ZipFile, entry: zipfile.ZipInfo, leaf: Leaf) -> np.ndarray:
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise ValueError("an entry must be there as it is, not compressed")
    content = file.read(entry)
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"an array's header must be of version 1.0, found {version}")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    fits = (shape, dtype.name) == (leaf.shape, leaf.dtype)
    if not fits or not dtype.isnative or is_fortran:
        raise ValueError(f"expected {leaf.dtype}{leaf.shape}, found {dtype}{shape}")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
