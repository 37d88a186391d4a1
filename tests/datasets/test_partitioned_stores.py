"""Tests of datasets.partitioned_stores and datasets.label_folders: what goes in comes out."""

import pathlib

import numpy as np
import pytest

from datasets.label_folders import open_label_folders
from datasets.partitioned_stores import write_partitioned_stores
from tff_retail.config import ConfigurationError


@pytest.fixture
def source(tmp_path, write_photo) -> pathlib.Path:
    """Two labels with 4 and 2 photographs, all different."""
    for label, colours in (("tea", (1, 2, 3, 4)), ("crème 奶油", (5, 6))):
        for colour in colours:
            write_photo(tmp_path / "source" / label / f"{colour}.png", colour)
    return tmp_path / "source"


def _write(source: pathlib.Path, output: pathlib.Path, **changes) -> list[str]:
    arguments = {"method": "iid", "num_stores": 3, "alpha": 0.5, "seed": 1}
    photographs = open_label_folders(str(source))
    return write_partitioned_stores(photographs, output, **{**arguments, **changes})


def _contents(folder: pathlib.Path) -> list[tuple[str, bytes]]:
    """(label, content) of every photograph, of all stores together."""
    files = [path for path in folder.rglob("*.png")]
    return sorted((path.parent.name, path.read_bytes()) for path in files)


def test_every_photograph_is_in_one_store_as_it_was(source, tmp_path):
    assert _write(source, tmp_path / "chain") == []
    assert _contents(tmp_path / "chain") == _contents(source)
    stores = sorted(path.name for path in (tmp_path / "chain").iterdir() if path.is_dir())
    assert stores == ["store_1", "store_2", "store_3"]
    assert [len(list((tmp_path / "chain" / store).glob("*/*"))) for store in stores] == [2, 2, 2]
    labels = (tmp_path / "chain" / "labels.txt").read_text(encoding="utf-8")
    assert labels == "crème 奶油\ntea\n"


def test_photographs_of_one_name_in_sub_folders_are_all_kept(source, tmp_path, write_photo):
    write_photo(source / "tea" / "2023" / "1.png", 7)
    _write(source, tmp_path / "chain", num_stores=1)
    assert _contents(tmp_path / "chain") == _contents_by_label(source)


def _contents_by_label(source: pathlib.Path) -> list[tuple[str, bytes]]:
    files = source.rglob("*.png")
    return sorted((path.relative_to(source).parts[0], path.read_bytes()) for path in files)


def test_an_unreadable_photograph_is_named_and_left_out(source, tmp_path):
    (source / "tea" / "empty.png").touch()
    assert _write(source, tmp_path / "chain") == ["empty.png"]
    assert len(_contents(tmp_path / "chain")) == 6


def test_it_is_made_once_and_refused_when_the_source_has_changed(source, tmp_path, write_photo):
    _write(source, tmp_path / "chain")
    (tmp_path / "chain" / "store_1" / "mark").touch()
    _write(source, tmp_path / "chain")
    assert (tmp_path / "chain" / "store_1" / "mark").exists()
    write_photo(source / "tea" / "new.png", 9)
    with pytest.raises(ConfigurationError, match="--output_dir must be a new .* made with listing"):
        _write(source, tmp_path / "chain")


def test_progress_counts_every_photograph(source, tmp_path):
    calls = []
    _write(source, tmp_path / "chain", on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_more_stores_than_photographs_is_one_sentence(source, tmp_path):
    with pytest.raises(ConfigurationError, match=r"--num_stores must be at most .* \(6\), found 7"):
        _write(source, tmp_path / "chain", num_stores=7)
    assert not (tmp_path / "chain").exists()


def test_a_source_without_photographs_is_one_sentence(tmp_path):
    (tmp_path / "source" / "tea").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="--source_dir must hold one folder of photo"):
        open_label_folders(str(tmp_path / "source"))
    with pytest.raises(ConfigurationError, match="--source_dir must be an existing folder"):
        open_label_folders(str(tmp_path / "nowhere"))


class _Records:
    """A set whose label names can't be names of folders."""

    identity = {"tfds": "odd/1.0.0"}
    label_names = ("a/b", "a_b", ".hidden", "long" * 100, "unused")
    labels = np.array([0, 1, 2, 3])

    def read(self):
        return ((f"{position}.png", bytes([position])) for position in range(4))


def test_labels_that_cannot_be_folders_are_renamed_apart(tmp_path):
    write_partitioned_stores(
        _Records(), tmp_path / "chain", method="iid", num_stores=1, alpha=1.0, seed=1
    )
    labels = (tmp_path / "chain" / "labels.txt").read_text().splitlines()
    assert labels[:3] == ["a_b", "a_b_1", "_.hidden"]
    assert len(labels) == 4 and len(labels[3]) == 255
    store = tmp_path / "chain" / "store_1"
    assert [next((store / label).iterdir()).read_bytes() for label in labels] == [
        b"\0",
        b"\1",
        b"\2",
        b"\3",
    ]
