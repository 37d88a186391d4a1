"""How photographs and labels lie over the stores of a chain: sizes, skew, repetitions."""

import collections
import dataclasses

import numpy as np

from datasets.cached_store import SPLITS
from datasets.chain import Chain

# Draws that say how far a store of a given size strays from the chain by chance alone; the
# mean of 64 is good to about 0.01, and 1,000 stores of 500 labels take under 5 seconds.
_NUM_DRAWS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class StoreStatistics:
    """One store beside its chain.

    Attributes:
      name: the store's.
      num_train, num_validation: its examples.
      num_labels: labels it has at least one example of.
      share: of the chain's training examples, which is its weight in the average.
      label_entropy: of its label distribution, in bits.
      divergence: Jensen-Shannon divergence, to base 2, between its label distribution and the
        chain's: 0 where they are equal, 1 where they share no label (Lin 1991,
        https://doi.org/10.1109/18.61115).
      skew: by how much `divergence` exceeds that of an equally large random sample of the
        chain, at least 0: what the size of the store does not explain.
      num_skipped: files of it that can't be used.
      num_shared: examples whose photograph another store has too.
    """

    name: str
    num_train: int
    num_validation: int
    num_labels: int
    share: float
    label_entropy: float
    divergence: float
    skew: float
    num_skipped: int
    num_shared: int


@dataclasses.dataclass(frozen=True, eq=False)
class ChainStatistics:
    """A chain in numbers.

    Attributes:
      labels: the chain's.
      stores: in the chain's order.
      counts: int64 [stores, labels], examples of both splits.
      train_counts: int64 [labels], training examples of all stores.
      label_entropy: of the chain's label distribution, in bits; at most log2(labels).
      num_shared: photographs that more than one store has.
      conflicts: those that have different labels in different stores, as
        (store, label, other store, other label).
    """

    labels: tuple[str, ...]
    stores: tuple[StoreStatistics, ...]
    counts: np.ndarray
    train_counts: np.ndarray
    label_entropy: float
    num_shared: int
    conflicts: tuple[tuple[str, str, str, str], ...]


def chain_statistics(chain: Chain) -> ChainStatistics:
    """Counts a chain; no pixel is read."""
    train = np.stack([store.label_counts("train") for store in chain.stores])
    counts = train + np.stack([store.label_counts("validation") for store in chain.stores])
    places = _places(chain)
    shared = {key: found for key, found in places.items() if len({s for s, _ in found}) > 1}
    pooled = counts.sum(axis=0) / counts.sum()
    skipped = collections.Counter(file.store for file in chain.report.skipped)
    num_shared = collections.Counter(place[0] for found in shared.values() for place in found)
    rng = np.random.default_rng(0)
    stores = []
    for index, store in enumerate(chain.stores):
        divergence = jensen_shannon(counts[index : index + 1], pooled)[0]
        by_chance = _divergence_by_chance(int(counts[index].sum()), pooled, rng)
        stores.append(
            StoreStatistics(
                name=store.name,
                num_train=int(train[index].sum()),
                num_validation=int(counts[index].sum() - train[index].sum()),
                num_labels=int(np.count_nonzero(counts[index])),
                share=float(train[index].sum() / max(train.sum(), 1)),
                label_entropy=entropy(counts[index]),
                divergence=float(divergence),
                skew=max(0.0, float(divergence - by_chance)),
                num_skipped=skipped[store.name],
                num_shared=num_shared[index],
            )
        )
    return ChainStatistics(
        labels=chain.labels,
        stores=tuple(stores),
        counts=counts,
        train_counts=train.sum(axis=0),
        label_entropy=entropy(counts.sum(axis=0)),
        num_shared=len(shared),
        conflicts=_conflicts(chain, shared),
    )


def entropy(counts: np.ndarray) -> float:
    """Shannon entropy in bits of the distribution that `counts` [n] are proportional to."""
    shares = counts[counts > 0] / counts.sum()
    return float(abs(-(shares * np.log2(shares)).sum()))


def jensen_shannon(counts: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence to base 2 of each row of `counts` from `pooled`.

    Args:
      counts: [rows, n], each row with a sum above 0.
      pooled: [n], a distribution.

    Returns:
      float64 [rows] in [0, 1].
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    middle = (shares + pooled) / 2
    return np.clip(
        (_kullback_leibler(shares, middle) + _kullback_leibler(pooled, middle)) / 2, 0, 1
    )


def _kullback_leibler(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    p, q = np.broadcast_arrays(p, q)
    terms = np.zeros(p.shape)
    np.log2(np.divide(p, q, where=p > 0, out=np.ones(p.shape)), where=p > 0, out=terms)
    return (p * terms).sum(axis=1)


def _divergence_by_chance(size: int, pooled: np.ndarray, rng: np.random.Generator) -> float:
    return float(jensen_shannon(rng.multinomial(size, pooled, _NUM_DRAWS), pooled).mean())


def _places(chain: Chain) -> dict[bytes, set[tuple[int, int]]]:
    """Where each photograph lies: (store, label)."""
    places: dict[bytes, set[tuple[int, int]]] = collections.defaultdict(set)
    for index, store in enumerate(chain.stores):
        for split in SPLITS:
            keys, labels = store.digests(split), store.labels(split)
            for key, label in zip(keys, labels, strict=True):
                places[key.tobytes()].add((index, int(label)))
    return places


def _conflicts(
    chain: Chain, shared: dict[bytes, set[tuple[int, int]]]
) -> tuple[tuple[str, str, str, str], ...]:
    found = []
    for places in shared.values():
        (store, label), *others = sorted(places)
        found += [
            (chain.stores[store].name, chain.labels[label])
            + (chain.stores[other].name, chain.labels[other_label])
            for other, other_label in others[:1]
            if other_label != label
        ]
    return tuple(sorted(found))
