"""The cache: read once, right whatever happens, private."""

import errno
import hashlib
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from datasets import image_decoding, photograph_cache, pixel_cache, private_files
from datasets.chain import open_chain
from tff_retail.config import ConfigurationError, DataConfig


@pytest.fixture
def stores(tmp_path, write_photo):
    for number in range(12):
        write_photo(tmp_path / f"data/a/{('tea', 'milk')[number % 2]}/{number}.png", (number, 7, 0))
    return tmp_path / "data"


def _open(folder: pathlib.Path, size: int = 8, **settings):
    return open_chain(DataConfig(data_dir=str(folder), **settings), size)


def _contents(chain) -> list[tuple[int, str]]:
    return sorted(
        (int(pixels[0, 0, 0]), chain.labels[label])
        for store in chain.stores
        for split in ("train", "validation")
        for pixels, label in zip(store.load(split).features, store.load(split).labels, strict=True)
    )


EXPECTED = sorted((number, ("tea", "milk")[number % 2]) for number in range(12))


@pytest.fixture
def reads(monkeypatch):
    """Names of the files whose bytes are read."""
    seen: list[str] = []
    read = photograph_cache.read_regular_file

    def note(path):
        seen.append(os.path.basename(path))
        return read(path)

    monkeypatch.setattr(photograph_cache, "read_regular_file", note)
    return seen


def test_second_run_reads_no_photograph(stores, reads):
    assert _contents(_open(stores)) == EXPECTED
    assert len(reads) == 12
    reads.clear()
    assert _contents(_open(stores)) == EXPECTED
    assert reads == []


def test_only_what_is_new_or_changed_is_read(stores, reads, write_photo):
    _open(stores)
    reads.clear()
    write_photo(stores / "a/tea/new.png", (50, 7, 0))
    write_photo(stores / "a/tea/0.png", (51, 7, 0), size=7)
    (stores / "a/milk/1.png").unlink()
    expected = sorted({*EXPECTED, (50, "tea"), (51, "tea")} - {(0, "tea"), (1, "milk")})
    assert _contents(_open(stores)) == expected
    assert sorted(reads) == ["0.png", "new.png"]


def test_a_renamed_photograph_is_not_decoded_again(stores, monkeypatch):
    _open(stores)
    (stores / "a/tea/0.png").rename(stores / "a/milk/renamed.png")
    monkeypatch.setattr(photograph_cache, "decode_content", lambda *_: pytest.fail("decoded"))
    chain = _open(stores)
    assert (0, "milk") in _contents(chain)
    assert len(_contents(chain)) == 12


def test_an_unreadable_photograph_is_tried_once(stores, monkeypatch):
    (stores / "a/tea/bad.png").write_text("bad")
    first = _open(stores).report.skipped
    monkeypatch.setattr(photograph_cache, "decode_content", lambda *_: pytest.fail("decoded"))
    assert _open(stores).report.skipped == first
    assert first[0].path == "tea/bad.png"


def test_sizes_lie_side_by_side(stores, reads):
    _open(stores, 8)
    assert _open(stores, 16).stores[0].load("train").features.shape[1:] == (16, 16, 3)
    reads.clear()
    assert _open(stores, 8).stores[0].load("train").features.shape[1:] == (8, 8, 3)
    assert reads == []


def test_everything_in_the_cache_is_private(stores):
    old = os.umask(0)
    try:
        _open(stores)
    finally:
        os.umask(old)
    root = stores / ".tff_retail_cache"
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_cache_dir_takes_several_chains(stores, tmp_path, write_photo):
    write_photo(tmp_path / "other/data/a/tea/1.png", (99, 7, 0))
    write_photo(tmp_path / "other/data/a/milk/1.png", (98, 7, 0))
    cache = str(tmp_path / "cache")
    for _ in range(2):
        assert _contents(_open(stores, cache_dir=cache)) == EXPECTED
        assert len(_contents(_open(tmp_path / "other/data", cache_dir=cache))) == 2
    assert len(os.listdir(cache)) == 2
    assert not (stores / ".tff_retail_cache").exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(stores, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigurationError, match="--cache_dir must be a folder this user can write"
    ):
        _open(stores, cache_dir=str(tmp_path / "file" / "cache"))


def test_photographs_marked_read_only_are_left_alone_even_by_root(stores, tmp_path):
    stores.chmod(0o555)
    try:
        with pytest.raises(ConfigurationError, match=r"read-only.*set --cache_dir=FOLDER"):
            _open(stores)
        assert [path.name for path in stores.iterdir()] == ["a"]
        assert _contents(_open(stores, cache_dir=str(tmp_path / "cache"))) == EXPECTED
    finally:
        stores.chmod(0o755)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_full_disk_is_one_sentence_and_harms_nothing(stores, monkeypatch, after):
    replacing, calls = os.replace, []

    def fill_up(source, target):
        calls.append(target)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replacing(source, target)

    monkeypatch.setattr(private_files.os, "replace", fill_up)
    with pytest.raises(ConfigurationError, match="--cache_dir must have room"):
        _open(stores)
    monkeypatch.undo()
    assert not [path for path in stores.rglob("*") if private_files.TEMPORARY_MARK in path.name]
    assert _contents(_open(stores)) == EXPECTED


def test_parts_are_written_taken_in_and_removed(stores, monkeypatch):
    monkeypatch.setattr(pixel_cache, "MAX_PART_BYTES", 2 * 8 * 8 * 3)
    assert _contents(_open(stores)) == EXPECTED
    names = [path.name for path in (stores / ".tff_retail_cache").rglob("*.pixels")]
    assert sorted(name.split("-")[0] for name in names) == ["train", "validation"]


def test_damaged_files_of_the_cache_are_made_anew(stores):
    _open(stores)
    for path in (stores / ".tff_retail_cache").rglob("*"):
        if path.suffix in (".pixels", ".json"):
            path.write_bytes(path.read_bytes()[:-3])
    assert _contents(_open(stores)) == EXPECTED


def test_a_run_keeps_reading_what_a_second_one_replaces(stores, write_photo):
    first = _open(stores)
    write_photo(stores / "a/tea/new.png", (50, 7, 0))
    second = _open(stores)
    assert _contents(first) == EXPECTED
    assert len(_contents(second)) == 13
    del first, second
    _open(stores)  # alone again, it removes what nobody needs
    blocks = list((stores / ".tff_retail_cache").rglob("*.pixels"))
    assert len(blocks) == 2


_FILL = """
import sys
from datasets import pixel_cache
from datasets.chain import open_chain
from tff_retail.config import DataConfig
pixel_cache.MAX_PART_BYTES = 3 * 8 * 8 * 3
def tell(done, total):
    print(done, flush=True)
open_chain(DataConfig(data_dir=sys.argv[1]), 8, on_progress=tell)
"""


@pytest.mark.parametrize("kill_at", [1, 4, 8, 11, 12])
def test_killed_at_any_photograph_it_goes_on(stores, reads, kill_at):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", _FILL, str(stores)], stdout=subprocess.PIPE, env=environment
    ) as process:
        for line in process.stdout:
            if int(line) == kill_at:
                process.send_signal(signal.SIGKILL)
                break
    assert _contents(_open(stores)) == EXPECTED
    leftovers = [path.name for path in (stores / ".tff_retail_cache").rglob("*")]
    assert not [name for name in leftovers if "part-" in name or ".tmp-" in name]


def test_killed_while_the_index_is_written_it_goes_on(stores):
    code = """
import json, os, signal, types
from datasets import photograph_index
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
photograph_index.json = types.SimpleNamespace(dumps=die, loads=json.loads)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code + _FILL, str(stores)]
    run = subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)
    assert run.returncode == -signal.SIGKILL
    cache = stores / ".tff_retail_cache"
    assert list(cache.rglob("index.json.tmp-*"))
    assert _contents(_open(stores)) == EXPECTED
    assert not list(cache.rglob("index.json.tmp-*"))


def _fill_and_digest(folder: str) -> str:
    chain = _open(pathlib.Path(folder))
    examples = [chain.stores[0].load(split) for split in ("train", "validation")]
    return hashlib.sha256(b"".join(np.asarray(e.features).tobytes() for e in examples)).hexdigest()


def test_processes_at_once_find_the_same(stores):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        digests = pool.map(_fill_and_digest, [str(stores)] * 6)
    assert len(set(digests)) == 1
    assert _contents(_open(stores)) == EXPECTED


def test_another_decoder_means_another_cache(stores, reads, monkeypatch):
    _open(stores)
    reads.clear()
    monkeypatch.setattr(pixel_cache, "DECODER_VERSION", image_decoding.DECODER_VERSION + 1)
    _open(stores)
    assert len(reads) == 12


def test_a_cleared_cache_is_one_sentence(stores):
    store = _open(stores).stores[0]
    for path in (stores / ".tff_retail_cache").rglob("*.pixels"):
        path.unlink()
    with pytest.raises(ConfigurationError, match="start the same command again"):
        store.load("train")
