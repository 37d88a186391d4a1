"""A store's own folder is read as the same store of a chain is."""

import numpy as np
import pytest

from datasets.chain import open_chain
from datasets.own_photographs import OwnPhotographs
from tests.colour_run import write_photographs
from tff_retail.config import ConfigurationError, DataConfig

LABELS = ("green", "red", "blue")


@pytest.fixture
def chain(tmp_path):
    for label in LABELS:
        write_photographs(tmp_path / "chain" / "north" / label, LABELS.index(label))
    write_photographs(tmp_path / "chain" / "north" / "of no interest", 0)
    return tmp_path / "chain"


def _own(chain, **changes) -> OwnPhotographs:
    settings = {
        "store": "north",
        "data_dir": str(chain / "north"),
        "cache_dir": str(chain.parent / "own cache"),
        "labels": LABELS,
        "image_size": 32,
        "validation_fraction": 0.4,
        **changes,
    }
    return OwnPhotographs(**settings)


def test_it_has_what_the_store_of_the_chain_has(chain):
    data = DataConfig(data_dir=str(chain), validation_fraction=0.4)
    (expected,) = open_chain(data, 32, labels=LABELS).stores
    found = _own(chain).read()
    assert found.name == expected.name
    for split in ("train", "validation"):
        ours, theirs = found.load(split), expected.load(split)
        assert ours.keys == theirs.keys and len(ours) > 2
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.features, theirs.features)


def test_new_photographs_are_there_the_next_time(chain):
    own = _own(chain)
    before = own.read()
    write_photographs(chain / "north" / "red" / "new", 0, num_photographs=3, seed=9)
    after = own.read()
    count = sum(after.num_examples(split) for split in ("train", "validation"))
    assert count == 3 + sum(before.num_examples(split) for split in ("train", "validation"))
    assert len(before.load("train")) == before.num_examples("train")


def test_a_table_may_name_them(chain):
    store = chain / "north"
    (store / "manifest.csv").write_text("file,label\nred/0.png,blue\ngreen/1.png,green\n")
    found = _own(chain).read()
    assert sum(found.label_counts(split) for split in ("train", "validation")).tolist() == [1, 0, 1]


def test_an_empty_folder_is_no_mistake_and_a_missing_one_is(chain, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert _own(chain, data_dir=str(empty)).read().num_examples("train") == 0
    with pytest.raises(ConfigurationError, match="--data_dir must be an existing folder"):
        _own(chain, data_dir=str(tmp_path / "nowhere")).read()
