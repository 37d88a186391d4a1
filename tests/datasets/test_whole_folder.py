"""Tests of datasets.whole_folder: made once, never by halves, never over something else."""

import multiprocessing
import os
import pathlib
import signal
import threading

import pytest

from datasets import whole_folder
from datasets.whole_folder import MADE_FROM_FILE, make_whole_folder
from tff_retail.config import ConfigurationError


def _write(folder: pathlib.Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text("content")


def _write_half_and_die(folder: pathlib.Path) -> None:
    _write(folder)
    os.kill(os.getpid(), signal.SIGKILL)


def _refuse_to_write(folder: pathlib.Path) -> None:
    raise AssertionError("written again")


def _make(target: pathlib.Path, write=_write, **made_from) -> bool:
    return make_whole_folder(target, made_from=made_from or {"seed": 1}, write=write)


def test_a_folder_is_made_once(tmp_path):
    target = tmp_path / "new" / "chain 店"
    assert _make(target) is True
    assert (target / "sub" / "file").read_text() == "content"
    assert _make(target, _refuse_to_write) is False
    assert os.listdir(target.parent) == [target.name]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "chain").mkdir()
    assert _make(tmp_path / "chain") is True
    assert (tmp_path / "chain" / MADE_FROM_FILE).is_file()


def test_a_folder_of_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ConfigurationError, match="--output_dir must be a new .*folder of other fi"):
        _make(tmp_path)
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_of_other_settings_is_refused_with_the_difference(tmp_path):
    _make(tmp_path / "chain", seed=1, stores=(2, 3))
    assert _make(tmp_path / "chain", _refuse_to_write, seed=1, stores=(2, 3)) is False
    with pytest.raises(ConfigurationError, match=r"made with seed=1; remove it"):
        _make(tmp_path / "chain", seed=2, stores=(2, 3))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "chain").write_text("a file")
    with pytest.raises(ConfigurationError, match="--output_dir must be a folder that can be writ"):
        _make(tmp_path / "chain")


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError, match="written again"):
        _make(tmp_path / "chain", _refuse_to_write)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_started_anew(tmp_path):
    # fork: a spawned child would import this test module by a name that pytest made up.
    killed = multiprocessing.get_context("fork").Process(
        target=_make, args=(tmp_path / "chain", _write_half_and_die)
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "chain").exists()
    assert _make(tmp_path / "chain") is True
    assert os.listdir(tmp_path) == ["chain"]


def test_a_second_writer_waits_for_the_first_and_makes_nothing(tmp_path):
    is_writing, may_finish = threading.Event(), threading.Event()
    results = []

    def write_slowly(folder: pathlib.Path) -> None:
        is_writing.set()
        assert may_finish.wait(timeout=30)
        _write(folder)

    first = threading.Thread(target=lambda: results.append(_make(tmp_path / "a", write_slowly)))
    second = threading.Thread(
        target=lambda: results.append(_make(tmp_path / "a", _refuse_to_write))
    )
    first.start()
    assert is_writing.wait(timeout=30)
    second.start()
    may_finish.set()
    first.join()
    second.join()
    assert sorted(results) == [False, True]


def test_a_folder_that_appears_before_the_lock_is_left_alone(tmp_path, monkeypatch):
    """Another process finishes between the first look and the lock."""
    look = whole_folder._is_made
    looks = []

    def look_before_it_appears(target, made_from):
        looks.append(target)
        if len(looks) == 1:
            assert look(target, made_from) is False
            monkeypatch.setattr(whole_folder, "_is_made", look)
            assert _make(tmp_path / "a") is True
            return False
        return look(target, made_from)

    monkeypatch.setattr(whole_folder, "_is_made", look_before_it_appears)
    assert _make(tmp_path / "a", _refuse_to_write) is False
    assert os.listdir(tmp_path) == ["a"]
