"""A chain from folders: what is kept, what is left out, and what is said of it."""

import json
import os
import pathlib

import numpy as np
import pytest

from datasets.chain import open_chain
from datasets.examples import Examples
from tff_retail.config import ConfigurationError, DataConfig


def _open(folder: pathlib.Path, **settings):
    return open_chain(DataConfig(data_dir=str(folder), **settings), 8)


def _all(store) -> Examples:
    parts = [store.load(split) for split in ("train", "validation")]
    return Examples(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        parts[0].keys + parts[1].keys,
    )


@pytest.fixture
def stores(tmp_path, write_photo):
    """Two stores: `a` with ten of tea and milk each, `b` with five of tea."""
    for number in range(10):
        write_photo(tmp_path / f"a/tea/{number}.png", (number, 0, 0))
        write_photo(tmp_path / f"a/milk/{number}.png", (number, 1, 0))
    for number in range(5):
        write_photo(tmp_path / f"b/tea/{number}.png", (number, 2, 0))
    return tmp_path


def test_examples_carry_pixels_labels_and_keys(stores):
    chain = _open(stores)
    assert chain.labels == ("milk", "tea")
    assert [store.name for store in chain.stores] == ["a", "b"]
    examples = _all(chain.stores[0])
    assert examples.features.dtype == np.uint8
    assert examples.features.shape == (20, 8, 8, 3)
    assert examples.labels.dtype == np.int32
    assert len(set(examples.keys)) == len(examples) == 20
    # The second channel says milk (1) or tea (0); the label must say the same.
    np.testing.assert_array_equal(examples.features[:, 0, 0, 1], examples.labels == 0)
    assert sorted(examples.features[:, 0, 0, 0]) == sorted([*range(10)] * 2)
    assert chain.report.num_photographs == chain.report.num_examples == 25
    assert chain.report.notices == ()


def test_a_store_may_lack_labels(stores):
    chain = _open(stores)
    counts = [
        store.label_counts("train") + store.label_counts("validation") for store in chain.stores
    ]
    assert [count.tolist() for count in counts] == [[10, 10], [0, 5]]


def test_order_follows_content_and_not_names(stores, tmp_path_factory, write_photo):
    other = tmp_path_factory.mktemp("other")
    for number in reversed(range(10)):
        write_photo(other / f"x/tea/{'zyxwvutsrq'[number]}.png", (number, 0, 0))
        write_photo(other / f"x/milk/deep/{number}.PNG", (number, 1, 0))
    first, second = _open(stores).stores[0], _open(other).stores[0]
    for split in ("train", "validation"):
        one, two = first.load(split), second.load(split)
        assert one.keys == two.keys == tuple(sorted(one.keys))
        np.testing.assert_array_equal(one.features, two.features)
        np.testing.assert_array_equal(one.labels, two.labels)


def test_labels_txt_fixes_set_and_order(stores, write_photo):
    write_photo(stores / "b/soap/1.png", 200)
    write_photo(stores / "b/soap/2.png", 201)
    (stores / "labels.txt").write_text("tea\nbread\nmilk\n")
    chain = _open(stores)
    assert chain.labels == ("tea", "bread", "milk")
    assert chain.report.other_labels == {"soap": 2}
    assert chain.report.notices == (
        "left out 2 photographs of 1 label not in the list of labels: soap",
    )
    assert chain.report.num_photographs == 27
    assert chain.report.num_examples == 25


def test_labels_of_a_model_come_first(stores):
    (stores / "labels.txt").write_text("tea\nmilk\n")
    chain = open_chain(DataConfig(data_dir=str(stores)), 8, labels=("x", "tea"))
    assert chain.labels == ("x", "tea")
    assert chain.report.other_labels == {"milk": 10}


def test_what_cannot_be_used_is_named_and_counted(stores, write_photo):
    (stores / "a/tea/empty.jpg").touch()
    (stores / "a/tea/text.jpg").write_text("no picture")
    os.mkfifo(stores / "a/tea/pipe.jpg")
    (stores / "b/tea/gone.jpg").symlink_to("nowhere")
    (stores / "c/tea").mkdir(parents=True)
    (stores / "d/tea").mkdir(parents=True)
    (stores / "d/tea/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for _ in range(2):  # the second time from the cache
        chain = _open(stores)
        assert [store.name for store in chain.stores] == ["a", "b"]
        assert [(file.store, file.path) for file in chain.report.skipped] == [
            ("a", "tea/empty.jpg"),
            ("a", "tea/pipe.jpg"),
            ("a", "tea/text.jpg"),
            ("b", "tea/gone.jpg"),
            ("d", "tea/bad.png"),
        ]
        assert all(file.reason for file in chain.report.skipped)
        assert chain.report.empty_stores == ("c", "d")
        assert chain.report.notices[1] == "left out 2 stores without a usable photograph: c, d"
        written = json.loads((stores / ".tff_retail_cache/report.json").read_text())
        assert [file["path"] for file in written["skipped"]][0] == "tea/empty.jpg"


def test_copies_count_once_within_a_store_and_label(stores, write_photo):
    write_photo(stores / "a/tea/copy.png", (0, 0, 0))
    write_photo(stores / "a/milk/tea.png", (0, 0, 0))
    write_photo(stores / "b/tea/other store.png", (0, 0, 0))
    chain = _open(stores)
    assert chain.report.num_repeated == 1
    assert chain.report.num_ambiguous == 1
    assert chain.report.num_examples == 27
    a, b = map(_all, chain.stores)
    black = [key for key, pixels in zip(a.keys, a.features, strict=True) if not pixels.any()]
    assert len(black) == 2
    assert len(set(black) & set(b.keys)) == 1


def test_copies_never_straddle_the_split(stores, write_photo):
    for number in range(10):
        write_photo(stores / f"a/bread/{number}.png", (number, 0, 0))
        write_photo(stores / f"b/bread/{number}.png", (number, 0, 0))
    sides = [
        {key for store in _open(stores).stores for key in store.load(split).keys}
        for split in ("train", "validation")
    ]
    assert sides[0] and sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_small_stores_always_have_something_to_learn_from(tmp_path, write_photo, number):
    for store in range(20):
        for photo in range(number):
            label = ("tea", "milk")[(store + photo) % 2]
            write_photo(tmp_path / f"{store}/{label}/{photo}.png", (store, photo, 0))
    chain = _open(tmp_path, validation_fraction=0.5)
    assert len(chain.stores) == 20
    assert min(store.num_examples("train") for store in chain.stores) >= 1
    if number == 1:
        assert not any(store.num_examples("validation") for store in chain.stores)


def test_manifest_and_folders_side_by_side(stores, write_photo):
    write_photo(stores / "m/pictures/1.png", (9, 9, 9))
    (stores / "m/manifest.csv").write_text("file,label\npictures/1.png,tea\nlost.png,tea\n")
    chain = _open(stores)
    assert [store.name for store in chain.stores] == ["a", "b", "m"]
    assert _all(chain.stores[2]).features[0, 0, 0].tolist() == [9, 9, 9]
    assert chain.report.skipped[0].path == "lost.png"


def test_folders_of_ours_inside_are_no_stores(stores, write_photo):
    write_photo(stores / "test/tea/1.png", (9, 9, 9))
    chain = _open(stores, cache_dir=str(stores / "cache"), eval_dir=str(stores / "test"))
    assert [store.name for store in chain.stores] == ["a", "b"]
    assert _open(stores, cache_dir=str(stores / "cache"), eval_dir=str(stores / "test")).stores


def test_a_cache_among_the_stores_is_none(stores):
    for _ in range(2):
        chain = _open(stores, cache_dir=str(stores))
        assert [store.name for store in chain.stores] == ["a", "b"]
        assert chain.report.empty_stores == ()


def test_two_hundred_stores_and_no_open_file(tmp_path, write_photo):
    for store in range(200):
        write_photo(tmp_path / f"store {store}/tea/1.png", (store, 0, 0), size=1)
        write_photo(tmp_path / f"store {store}/milk/1.png", (store, 1, 0), size=1)
    before = len(os.listdir("/proc/self/fd"))
    chain = _open(tmp_path)
    for store in chain.stores:
        store.load("train")
    assert len(chain.stores) == 200
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the lock of the chain's cache


def _refusal(folder: pathlib.Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        _open(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_store_left_is_one_sentence(tmp_path, write_photo):
    assert "must be an existing folder" in _refusal(tmp_path / "missing")
    assert "found no folder of a store" in _refusal(tmp_path)
    (tmp_path / "a/tea").mkdir(parents=True)
    assert "found none in 1 folder" in _refusal(tmp_path)
    (tmp_path / "a/tea/1.jpg").touch()
    assert "the first a/tea/1.jpg (empty file)" in _refusal(tmp_path)
    write_photo(tmp_path / "a/tea/2.png")
    assert "photographs of at least 2 labels, found only tea" in _refusal(tmp_path)
    (tmp_path / "labels.txt").write_text("soap\nmilk\n")
    assert "only other labels than those wanted: tea" in _refusal(tmp_path)


def test_a_folder_one_level_off_gives_a_hint(tmp_path, write_photo):
    write_photo(tmp_path / "tea/1.png")
    sentence = _refusal(tmp_path)
    assert "the first tea/1.png (not in the folder of a label)" in sentence
    assert "the layout is <data_dir>/<store>/<label>/<photograph>.jpg" in sentence


def test_progress_counts_every_photograph(stores):
    for _ in range(2):
        counts: list[tuple[int, int]] = []
        _count_photographs(stores, counts)
        assert counts == [(done, 25) for done in range(26)]


def _count_photographs(folder: pathlib.Path, counts: list[tuple[int, int]]) -> None:
    def add(done: int, total: int) -> None:
        counts.append((done, total))

    open_chain(DataConfig(data_dir=str(folder)), 8, on_progress=add)
