"""Arrays by name out of a weights file somebody else may have made; nothing in it is executed.

Four layouts are read: Keras's `.h5` (weights or whole model), `.weights.h5` and `.keras`, and the
`weights.npz` of a released model. Shapes are known before anything is read, no pickle is
opened, no configuration deserialised, and no link out of the file followed.
"""

import contextlib
import dataclasses
import functools
import io
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping

import h5py
import numpy as np

# What the readers raise on files that are damaged or not what their name says.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
# The largest network here has 25 M weights at width 1, 400 M at width 4; an optimiser's state may
# triple them. What claims more is not weights.
_MAX_MEMBER_BYTES = 6 * 2**30


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array still in its file.

    Attributes:
      shape: as the file declares it.
      read: loads it; only while the file is open.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@contextlib.contextmanager
def open_weights_file(path: pathlib.Path) -> Iterator[Mapping[str, StoredArray]]:
    """The arrays of `path` by `layer/variable`, or `class_number/position` in Keras's new layout.

    Raises:
      One of `UNREADABLE`: the file is damaged or of another kind.
    """
    with contextlib.ExitStack() as stack:
        if path.suffix == ".npz":
            yield _in_npz(stack.enter_context(zipfile.ZipFile(path)))
        elif path.suffix == ".keras":
            yield _in_h5(stack.enter_context(h5py.File(_weights_member(path), "r")))
        else:
            yield _in_h5(stack.enter_context(h5py.File(path, "r")))


def _in_npz(archive: zipfile.ZipFile) -> dict[str, StoredArray]:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    return {
        _short_name(name.removesuffix(".npy")): StoredArray(
            _npy_shape(archive, name), functools.partial(_read_npy, archive, name)
        )
        for name in names
    }


def _npy_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, _ = readers[version](member)
    return shape


def _read_npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _weights_member(path: pathlib.Path) -> io.BytesIO:
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("model.weights.h5").file_size
        if size > _MAX_MEMBER_BYTES:
            raise ValueError(f"model.weights.h5 claims {size} bytes")
        return io.BytesIO(archive.read("model.weights.h5"))


def _in_h5(file: h5py.File) -> dict[str, StoredArray]:
    arrays = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            if item.external or item.is_virtual:
                raise ValueError(f"{name} lies in another file")
            arrays[_short_name(name)] = StoredArray(item.shape, functools.partial(np.asarray, item))

    file.visititems(visit)  # Follows no link that leaves the file.
    return arrays


def _short_name(name: str) -> str:
    """`model_weights/conv1/conv1/kernel:0` → `conv1/kernel`; `…/conv2d_1/vars/0` → `conv2d_1/0`."""
    parts = name.removesuffix(":0").split("/")
    if parts[-2:-1] == ["vars"]:
        del parts[-2]
    return "/".join(parts[-2:])
