import os
import threading

import pytest

from tff_retail.program import folder_replacement
from tff_retail.program.folder_replacement import replace_folder


def _writer(text):
    return lambda folder: (folder / "a").write_text(text)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_replaces_everything(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(folder_replacement, "_exchange", lambda first, second: False)
    target = tmp_path / "new" / "model"
    replace_folder(target, _writer("old"))
    (target / "b").write_text("")
    replace_folder(target, _writer("new"))
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("a", "new")]
    assert os.listdir(target.parent) == ["model"]


def test_what_fails_leaves_the_old_folder(tmp_path):
    replace_folder(tmp_path / "model", _writer("old"))

    def fail(folder):
        (folder / "a").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace_folder(tmp_path / "model", fail)
    assert (tmp_path / "model" / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".model.partial").mkdir()
    (tmp_path / ".model.partial" / "half").write_text("")
    replace_folder(tmp_path / "model", _writer("new"))
    assert os.listdir(tmp_path / "model") == ["a"]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="swapped in one step on Linux only")
def test_there_is_always_one_to_read(tmp_path):
    target, missing, done = tmp_path / "model", [], threading.Event()
    replace_folder(target, _writer("0"))

    def read():
        while not done.is_set():
            if not (target / "a").exists():
                missing.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        replace_folder(target, _writer(str(number)))
    done.set()
    reader.join()
    assert missing == []
