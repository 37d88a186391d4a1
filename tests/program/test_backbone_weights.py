"""Weights of a backbone out of an archive that a hostile headquarters made."""

import io
import zipfile

import numpy as np
import pytest

from tff_retail.program.backbone_weights import read_backbone_weights
from tff_retail.program.store_manifest import UnusableManifest
from tff_retail.runtime.graph_part import Leaf

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7.0, np.float32)]
LEAVES = [Leaf("0", "a:0", "float32", (2, 3), 1), Leaf("1", "b:0", "float32", (), 1)]


def _npz(arrays, save=np.savez) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **{f"{number:04}": array for number, array in enumerate(arrays)})
    return buffer.getvalue()


def _zip(*entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number, entry in enumerate(entries):
            file.writestr(f"{number:04}.npy", entry)
    return buffer.getvalue()


def _npy(array, header: dict | None = None) -> bytes:
    buffer = io.BytesIO()
    if header is None:
        np.save(buffer, array)
    else:
        np.lib.format.write_array_header_1_0(buffer, header)
        buffer.write(array.tobytes())
    return buffer.getvalue()


def test_weights_are_read_as_they_were_written():
    found = read_backbone_weights(_npz(ARRAYS), LEAVES)
    for ours, theirs in zip(found, ARRAYS, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()


_LYING = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2**20)}
_OTHERS = {
    "nothing": b"",
    "no archive": b"PK\x03\x04" + bytes(100),
    "too few": _npz(ARRAYS[:1]),
    "too many": _npz([*ARRAYS, *ARRAYS]),
    "another shape": _npz([ARRAYS[0].T, ARRAYS[1]]),
    "another type": _npz([ARRAYS[0].astype(np.float64), ARRAYS[1]]),
    "another order of bytes": _npz([ARRAYS[0].astype(">f4"), ARRAYS[1]]),
    "columns first": _npz([np.asfortranarray(ARRAYS[0]), ARRAYS[1]]),
    "objects": _zip(_npy(np.array([None])), _npy(ARRAYS[1])),
    "compressed": _npz(ARRAYS, np.savez_compressed),
    "cut off": _zip(_npy(ARRAYS[0])[:-4], _npy(ARRAYS[1])),
    "larger than its header": _zip(_npy(ARRAYS[0]) + b"1234", _npy(ARRAYS[1])),
    "header that lies": _zip(_npy(ARRAYS[0], _LYING), _npy(ARRAYS[1])),
    "header that is no dictionary": _zip(b"\x93NUMPY\x01\x00\x02\x00()", _npy(ARRAYS[1])),
}


@pytest.mark.parametrize("archive", _OTHERS.values(), ids=_OTHERS)
def test_what_is_no_archive_of_these_weights_is_refused(archive):
    with pytest.raises(UnusableManifest, match="the backbone's weights can't be read"):
        read_backbone_weights(archive, LEAVES)


def test_a_compressed_bomb_is_not_unpacked(monkeypatch):
    bomb = _npz([np.zeros(2**22, np.float32), ARRAYS[1]], np.savez_compressed)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *arguments: pytest.fail("it was read"))
    with pytest.raises(UnusableManifest):
        read_backbone_weights(bomb, LEAVES)
