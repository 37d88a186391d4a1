"""Spreads one labelled set over stores, evenly or with the skews the literature studies.

iid        shuffled, then dealt out evenly
dirichlet  each label is spread by its own Dirichlet(alpha) draw over the stores: the smaller
           alpha, the fewer stores hold a label (Yurochkin et al. 2019, section 4,
           https://arxiv.org/abs/1905.12022; Li et al. 2022, https://arxiv.org/abs/2102.02079)
shards     sorted by label and cut into two shards a store, so that a store holds about two
           labels (McMahan et al. 2017, section 3, https://arxiv.org/abs/1602.05629)
quantity   shuffled; the stores' sizes are one Dirichlet(alpha) draw (Li et al. 2022)
"""

from collections.abc import Callable

import numpy as np

from tff_retail.config import PARTITIONERS, ConfigurationError, require

# McMahan et al. 2017: "we assign each of 100 clients 2 shards".
_SHARDS_PER_STORE = 2


def partition(
    labels: np.ndarray, *, method: str, num_stores: int, alpha: float, seed: int
) -> list[np.ndarray]:
    """Which examples each store gets: every example in one store, no store empty.

    Where a draw leaves a store empty, it gets one example of the largest store.

    Args:
      labels: int [num_examples].
      method: one of `tff_retail.config.PARTITIONERS`.
      num_stores: at least 1.
      alpha: concentration of the Dirichlet draws, above 0; no matter to `iid` and `shards`.
      seed: equal seeds give equal stores.

    Returns:
      For each store int64 [num_examples of the store], sorted positions in `labels`.

    Raises:
      ConfigurationError: an argument breaks its rule, or there are more stores than examples.
    """
    require(method in _METHODS, "partitioner", "one of " + ", ".join(PARTITIONERS), method)
    require(num_stores >= 1, "num_stores", "at least 1", num_stores)
    require(0 < alpha < float("inf"), "partition_alpha", "above 0", alpha)
    if num_stores > len(labels):
        raise ConfigurationError(
            f"--num_stores must be at most the number of examples ({len(labels)}), "
            f"found {num_stores}; ask for fewer stores"
        )
    rng = np.random.default_rng(seed)
    stores = _METHODS[method](np.asarray(labels), num_stores, alpha, rng)
    return [np.sort(store).astype(np.int64) for store in _fill_empty(stores)]


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers that sum to `total` and follow `shares`, by the largest remainders.

    Args:
      shares: float [n], not negative, of any positive sum.

    Returns:
      int64 [n].
    """
    exact = shares / shares.sum() * total
    counts = np.floor(exact).astype(np.int64)
    largest_first = np.argsort(counts - exact, kind="stable")
    counts[largest_first[: total - counts.sum()]] += 1
    return counts


def dirichlet_shares(rng: np.random.Generator, alpha: float, size: int) -> np.ndarray:
    """float64 [size]: one draw of a symmetric Dirichlet distribution, summing to 1.

    Below about 0.001 every gamma draw can underflow to 0; the limit of the distribution, all on
    one position, then stands in.
    """
    shares = rng.dirichlet(np.full(size, alpha))
    if not np.isfinite(shares).all() or shares.sum() <= 0:
        shares = np.zeros(size)
        shares[rng.integers(size)] = 1.0
    return shares


def _cut(examples: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    return np.split(examples, np.cumsum(counts)[:-1])


def _iid(
    labels: np.ndarray, num_stores: int, _: float, rng: np.random.Generator
) -> list[np.ndarray]:
    return np.array_split(rng.permutation(len(labels)), num_stores)


def _dirichlet(
    labels: np.ndarray, num_stores: int, alpha: float, rng: np.random.Generator
) -> list[np.ndarray]:
    parts: list[list[np.ndarray]] = [[] for _ in range(num_stores)]
    for label in np.unique(labels):
        examples = rng.permutation(np.flatnonzero(labels == label))
        counts = apportion(dirichlet_shares(rng, alpha, num_stores), len(examples))
        for part, cut in zip(parts, _cut(examples, counts), strict=True):
            part.append(cut)
    return [np.concatenate(part) for part in parts]


def _shards(
    labels: np.ndarray, num_stores: int, _: float, rng: np.random.Generator
) -> list[np.ndarray]:
    # Shuffled first, so that examples of one label fall into its shards at random.
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    shards = np.array_split(by_label, num_stores * _SHARDS_PER_STORE)
    dealt = rng.permutation(len(shards)).reshape(num_stores, _SHARDS_PER_STORE)
    return [np.concatenate([shards[shard] for shard in hand]) for hand in dealt]


def _quantity(
    labels: np.ndarray, num_stores: int, alpha: float, rng: np.random.Generator
) -> list[np.ndarray]:
    counts = apportion(dirichlet_shares(rng, alpha, num_stores), len(labels))
    return _cut(rng.permutation(len(labels)), counts)


_Method = Callable[[np.ndarray, int, float, np.random.Generator], list[np.ndarray]]
_METHODS: dict[str, _Method] = {
    "iid": _iid,
    "dirichlet": _dirichlet,
    "shards": _shards,
    "quantity": _quantity,
}


def _fill_empty(stores: list[np.ndarray]) -> list[np.ndarray]:
    filled = list(stores)
    for position, store in enumerate(stores):
        if not len(store):
            largest = max(range(len(filled)), key=lambda other: len(filled[other]))
            filled[position], filled[largest] = filled[largest][:1], filled[largest][1:]
    return filled
