"""Tests of datasets.synthetic_shelf and of the room datasets.shelf."""

import hashlib
import pathlib

import numpy as np
import pytest
from PIL import Image

from datasets.shelf.catalogue import catalogue
from datasets.shelf.printing import print_of
from datasets.synthetic_shelf import write_synthetic_stores
from tff_retail.config import ConfigurationError


def _write(folder: pathlib.Path, **changes) -> None:
    arguments = {
        "num_stores": 3,
        "num_labels": 4,
        "images_per_store": 8,
        "image_size": 32,
        "alpha": 0.5,
        "seed": 7,
    }
    write_synthetic_stores(folder, **{**arguments, **changes})


def _digests(folder: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_chain_has_its_stores_labels_and_photographs(tmp_path):
    _write(tmp_path / "chain")
    chain = tmp_path / "chain"
    assert sorted(path.name for path in chain.iterdir() if path.is_dir()) == [
        "store_1",
        "store_2",
        "store_3",
    ]
    labels = (chain / "labels.txt").read_text().splitlines()
    assert labels == [product.name for product in catalogue(4)]
    for store in ("store_1", "store_2", "store_3"):
        photographs = list((chain / store).glob("*/*.jpg"))
        assert len(photographs) == 8
        assert {path.parent.name for path in photographs} <= set(labels)
        with Image.open(photographs[0]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))


def test_equal_arguments_give_equal_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        _write(tmp_path / name, seed=seed)
    first, same, other = (_digests(tmp_path / name) for name in "abc")
    assert first == same
    assert not set(first.values()) & {
        digest for path, digest in other.items() if path.endswith(".jpg")
    }


def test_every_photograph_is_another_one(tmp_path):
    _write(tmp_path / "chain")
    photographs = [d for path, d in _digests(tmp_path / "chain").items() if path.endswith(".jpg")]
    assert len(set(photographs)) == len(photographs) == 24


@pytest.mark.parametrize("alpha", [1e-6, 1e6])
def test_every_label_is_somewhere_whatever_the_skew(tmp_path, alpha):
    _write(tmp_path / "chain", alpha=alpha, num_labels=24)
    labels = (tmp_path / "chain" / "labels.txt").read_text().splitlines()
    assert {path.parent.name for path in tmp_path.glob("chain/*/*/*.jpg")} == set(labels)
    assert len(list(tmp_path.glob("chain/*/*/*.jpg"))) == 24


def test_a_small_alpha_skews_a_store_towards_few_labels(tmp_path):
    _write(tmp_path / "skewed", alpha=0.05, images_per_store=20)
    _write(tmp_path / "even", alpha=1e6, images_per_store=20)
    assert [len(list(path.iterdir())) for path in tmp_path.glob("even/*/*")] == [5] * 12
    assert len(list(tmp_path.glob("skewed/*/*"))) <= 8


def test_stores_look_different(tmp_path):
    _write(tmp_path / "chain", alpha=1e6, images_per_store=20)
    corners = [
        np.mean([np.asarray(Image.open(path))[:6, :6] for path in store.glob("*/*.jpg")], (0, 1, 2))
        for store in sorted(tmp_path.glob("chain/store_*"))
    ]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(corners[first] - corners[second]).max() > 15


def test_a_chain_is_made_once_with_progress(tmp_path):
    calls = []
    _write(tmp_path / "chain", on_progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (24, 24)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    before = _digests(tmp_path / "chain")
    _write(tmp_path / "chain", on_progress=lambda *_: pytest.fail("made again"))
    assert _digests(tmp_path / "chain") == before


def test_another_chain_in_the_folder_is_refused(tmp_path):
    _write(tmp_path / "chain")
    with pytest.raises(ConfigurationError, match="found .*, one made with alpha=0.5, seed=7; "):
        _write(tmp_path / "chain", alpha=1.0, seed=8)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_labels": 1}, r"--num_labels must be in \[2, 528\], found 1"),
        ({"num_labels": 529}, r"--num_labels must be in \[2, 528\], found 529"),
        ({"num_stores": 0}, "--num_stores must be at least 1, found 0"),
        ({"images_per_store": 1}, "must give every one of 4 labels a photograph, found 1 in 3 st"),
        ({"image_size": 8}, r"--image_size must be in \[16, 1024\], found 8"),
        ({"alpha": 0.0}, "--partition_alpha must be above 0, found 0.0"),
        ({"seed": -1}, "--seed must be at least 0, found -1"),
    ],
)
def test_a_broken_rule_is_one_sentence_and_writes_nothing(tmp_path, changes, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        _write(tmp_path / "chain", **changes)
    assert not list(tmp_path.iterdir())


def test_all_products_differ_in_name_and_in_what_they_show():
    products = catalogue(528)
    assert len({product.name for product in products}) == 528
    assert catalogue(10) == products[:10]
    # Shape, layout, logo and colours; the first fifty are drawn as well.
    assert len({(p.packaging.name, p.layout, p.logo, p.base, p.accent) for p in products}) == 528
    shown = {(p.packaging.name, print_of(p).tobytes()) for p in products[:50]}
    assert len(shown) == 50


def test_no_product_of_ten_has_a_colour_or_a_shape_of_its_own():
    products = catalogue(10)
    colours = [frozenset((product.base, product.accent)) for product in products]
    shapes = [product.packaging.name for product in products]
    assert min(colours.count(colour) for colour in colours) >= 2
    assert sum(shapes.count(shape) >= 2 for shape in shapes) >= 9
