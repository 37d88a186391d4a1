"""Tests of private files."""

import os
import stat

import pytest

from tff_retail.transport.private_file import write_private_file


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_its_owners_whatever_it_was(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private_file(path, b"new")
    assert (path.read_bytes(), _mode(path)) == (b"new", 0o600)


def test_nothing_is_left_of_a_write_that_failed(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private_file(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
    assert path.read_bytes() == b"old"
