import numpy as np
import pytest

from datasets.chain import open_chain
from datasets.chain_statistics import chain_statistics, entropy, jensen_shannon
from tff_retail.config import DataConfig


def test_entropy_in_bits():
    assert entropy(np.array([5, 0, 0])) == 0
    assert entropy(np.array([2, 2, 2, 2])) == 2
    assert entropy(np.array([3, 1])) == pytest.approx(0.811278)


def test_jensen_shannon_is_zero_for_equal_one_for_apart():
    pooled = np.array([0.5, 0.5, 0, 0])
    found = jensen_shannon(np.array([[7, 7, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]), pooled)
    # The last: (log2(4/3) + 1/2 log2(2/3) + 1/2) / 2.
    np.testing.assert_allclose(found, [0, 1, 0.311278], atol=1e-6)


@pytest.fixture
def statistics(tmp_path, write_photo):
    for number in range(20):
        for position, label in enumerate(("tea", "milk")):
            write_photo(tmp_path / f"even/{label}/{number}.png", (number, position, 0))
            write_photo(tmp_path / f"same/{label}/{number}.png", (number, position, 1))
        write_photo(tmp_path / f"skewed/tea/{number}.png", (number, 0, 2))
    write_photo(tmp_path / "skewed/tea/copy.png", (3, 0, 0))
    write_photo(tmp_path / "skewed/tea/conflict.png", (3, 1, 0))
    (tmp_path / "even/tea/bad.jpg").touch()
    return chain_statistics(open_chain(DataConfig(data_dir=str(tmp_path)), 8))


def test_stores_beside_their_chain(statistics):
    assert statistics.labels == ("milk", "tea")
    assert statistics.counts.tolist() == [[20, 20], [20, 20], [0, 22]]
    even, same, skewed = statistics.stores
    assert [store.num_labels for store in statistics.stores] == [2, 2, 1]
    assert (even.label_entropy, skewed.label_entropy) == (1, 0)
    assert even.divergence == same.divergence < 0.02
    assert skewed.divergence > 0.2
    assert even.skew < 0.02
    assert skewed.skew > 0.15
    assert (even.num_skipped, same.num_skipped) == (1, 0)
    assert sum(store.share for store in statistics.stores) == pytest.approx(1)
    assert sum(store.num_train + store.num_validation for store in statistics.stores) == 102


def test_copies_across_stores_and_their_labels(statistics):
    assert [store.num_shared for store in statistics.stores] == [2, 0, 2]
    assert statistics.num_shared == 2
    assert statistics.conflicts == (("even", "milk", "skewed", "tea"),)


def test_a_small_store_is_not_called_skewed_for_its_size(tmp_path, write_photo):
    rng = np.random.default_rng(0)
    for store in range(30):
        for number, label in enumerate(rng.integers(0, 20, 8)):
            write_photo(tmp_path / f"{store:02d}/{label}/{number}.png", (store, number, int(label)))
    found = chain_statistics(open_chain(DataConfig(data_dir=str(tmp_path)), 8))
    assert np.mean([store.divergence for store in found.stores]) > 0.4
    assert max(store.skew for store in found.stores) < 0.15
