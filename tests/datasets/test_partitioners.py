"""Tests of datasets.partitioners: what every method keeps, and the skew each one makes."""

import numpy as np
import pytest

from datasets import partitioners
from tff_retail.config import PARTITIONERS, ConfigurationError

_LABELS = np.repeat(np.arange(10), 50)


def _partition(labels=_LABELS, method="iid", num_stores=5, alpha=0.5, seed=1):
    return partitioners.partition(
        labels, method=method, num_stores=num_stores, alpha=alpha, seed=seed
    )


def _counts(stores: list[np.ndarray]) -> np.ndarray:
    """int [store, label]."""
    return np.stack([np.bincount(_LABELS[store], minlength=10) for store in stores])


@pytest.mark.parametrize("method", PARTITIONERS)
@pytest.mark.parametrize("num_stores", [1, 5, 37, 500])
@pytest.mark.parametrize("alpha", [1e-6, 0.3, 1e6])
def test_every_example_is_in_one_store_and_no_store_is_empty(method, num_stores, alpha):
    stores = _partition(method=method, num_stores=num_stores, alpha=alpha)
    assert len(stores) == num_stores
    assert min(len(store) for store in stores) >= 1
    np.testing.assert_array_equal(np.sort(np.concatenate(stores)), np.arange(500))


@pytest.mark.parametrize("method", PARTITIONERS)
def test_equal_seeds_give_equal_stores_and_others_do_not(method):
    first, same, other = (_partition(method=method, seed=seed) for seed in (3, 3, 4))
    for one, two in zip(first, same, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("method", PARTITIONERS)
def test_stores_are_sorted_positions(method):
    for store in _partition(method=method):
        assert store.dtype == np.int64
        assert (np.diff(store) > 0).all()


def test_iid_stores_have_equal_sizes_and_about_equal_labels():
    counts = _counts(_partition(method="iid"))
    assert counts.sum(axis=1).tolist() == [100] * 5
    assert counts.min() >= 3 and counts.max() <= 20


def test_a_small_alpha_puts_a_label_into_few_stores_and_a_large_one_into_all():
    skewed = _counts(_partition(method="dirichlet", alpha=0.01))
    even = _counts(_partition(method="dirichlet", alpha=1e5))
    assert (skewed.max(axis=0) >= 45).mean() >= 0.8
    assert (even == 10).mean() >= 0.9


def test_shards_give_a_store_two_shards_of_one_or_two_labels():
    counts = _counts(_partition(method="shards"))
    assert counts.sum(axis=1).tolist() == [100] * 5
    assert ((counts > 0).sum(axis=1) <= 2).all()


def test_quantity_skews_sizes_and_not_labels():
    stores = _partition(method="quantity", alpha=0.5)
    sizes = [len(store) for store in stores]
    assert max(sizes) > 2 * min(sizes)
    largest = _counts(stores)[int(np.argmax(sizes))] / max(sizes)
    assert 0.03 < largest.min() and largest.max() < 0.2


def test_labels_need_not_be_consecutive():
    labels = np.array([7, -2, 7, 900, -2, 7])
    stores = _partition(labels, method="dirichlet", num_stores=2)
    assert sorted(np.concatenate(stores)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_stores": 501}, r"--num_stores must be at most the number of examples \(500\), fou"),
        ({"num_stores": 0}, "--num_stores must be at least 1, found 0"),
        ({"alpha": 0.0}, "--partition_alpha must be above 0, found 0.0"),
        ({"method": "random"}, "--partitioner must be one of iid, .*, found 'random'"),
    ],
)
def test_a_broken_rule_is_one_sentence(changes, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        _partition(**changes)


def test_apportion_keeps_the_total_and_gives_the_rest_to_the_largest_remainders():
    assert partitioners.apportion(np.array([0.5, 0.3, 0.2]), 4).tolist() == [2, 1, 1]
    assert partitioners.apportion(np.array([0.0, 1.0]), 3).tolist() == [0, 3]
    assert partitioners.apportion(np.array([1.0, 1.0, 1.0]), 2).tolist() == [1, 1, 0]
