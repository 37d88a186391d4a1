import hashlib

import numpy as np

from datasets.content_split import validation_mask


def _keys(count):
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def test_share_is_about_the_fraction_and_pinned():
    mask = validation_mask(_keys(10_000), 0.2)
    # Fixed: another number means that everybody's split has moved.
    assert mask.sum() == 1983
    assert np.flatnonzero(mask[:20]).tolist() == [7, 15, 16]


def test_copies_fall_on_one_side():
    keys = _keys(50)
    mask = validation_mask(keys + keys[::-1], 0.5)
    assert (mask[:50] == mask[50:][::-1]).all()


def test_new_photographs_move_no_old_one():
    few, many = validation_mask(_keys(20), 0.3), validation_mask(_keys(200), 0.3)
    assert (few == many[:20]).all()


def test_a_larger_fraction_only_adds():
    small, large = validation_mask(_keys(100), 0.2), validation_mask(_keys(100), 0.4)
    assert large[small].all()
    assert large.sum() > small.sum()


def test_a_lone_photograph_trains_and_so_do_its_copies():
    for key in _keys(20):
        assert not validation_mask([key], 0.99).any()
        assert not validation_mask([key, key], 0.99).any()


def test_a_store_of_validation_alone_lends_exactly_its_highest():
    keys = [key for key in _keys(30) if validation_mask([key, *_keys(30)], 0.5)[0]]
    assert len(keys) > 3
    mask = validation_mask(keys, 0.5)
    assert (~mask).sum() == 1
    trains = next(key for key in _keys(30) if key not in keys)
    assert validation_mask([*keys, trains], 0.5)[:-1].all()


def test_fraction_one_takes_all_and_none_is_none():
    assert validation_mask(_keys(3), 1.0).all()
    assert validation_mask([], 0.2).shape == (0,)
