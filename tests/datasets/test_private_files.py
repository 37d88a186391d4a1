import errno
import os
import subprocess
import sys

import pytest

from datasets.private_files import (
    FileLock,
    explaining_failures,
    make_private_folder,
    remove_leftovers,
    replacing,
)
from tff_retail.config import ConfigurationError


def test_folders_are_for_their_owner_alone_even_if_they_were_open(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    for folder in (tmp_path / "open", tmp_path / "a" / "b"):
        make_private_folder(folder)
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_is_old_or_new_and_private(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    for name in ("a[1].json", "a[1].json.tmp-77-0", "a1.json.tmp-77-0", "b.json.tmp-77-0"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a[1].json")
    assert sorted(os.listdir(tmp_path)) == ["a1.json.tmp-77-0", "a[1].json", "b.json.tmp-77-0"]


def test_locks_exclude_and_share(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.take(wait=False)
    assert not second.take(wait=False)
    assert not second.take(shared=True, wait=False)
    assert first.take(shared=True)
    assert second.take(shared=True, wait=False)
    assert not second.take(wait=False)
    first.release()
    assert second.take(wait=False)


def test_a_killed_process_frees_its_lock(tmp_path):
    code = (
        "import sys; from datasets.private_files import FileLock; import pathlib;"
        "lock = FileLock(pathlib.Path(sys.argv[1])); lock.take(); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == b"held\n"
        lock = FileLock(tmp_path / "lock")
        assert not lock.take(wait=False)
        process.kill()
        process.wait()
        assert lock.take(wait=False)


def test_a_lock_knows_when_its_file_is_gone(tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.is_current()
    (tmp_path / "lock").unlink()
    assert not lock.is_current()
    FileLock(tmp_path / "lock")
    assert not lock.is_current()


def test_a_full_disk_and_a_closed_one_are_sentences(tmp_path):
    with pytest.raises(ConfigurationError, match="--cache_dir must have room, found no room left"):
        with explaining_failures(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(
        ConfigurationError, match="--cache_dir must be a folder this user can write"
    ):
        with explaining_failures(tmp_path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
