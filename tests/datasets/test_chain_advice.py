"""Each rule speaks where its case is given and is silent where it is not."""

import numpy as np

from datasets.chain_advice import chain_advice
from datasets.chain_statistics import ChainStatistics, StoreStatistics


def _chain(train, validation=None, *, skews=None, conflicts=(), num_shared=0) -> ChainStatistics:
    """A chain with so many training and validation examples by [store][label]."""
    train = np.array(train)
    validation = train if validation is None else np.array(validation)
    stores = tuple(
        StoreStatistics(
            name=f"store_{index}",
            num_train=int(row.sum()),
            num_validation=int(validation[index].sum()),
            num_labels=int(np.count_nonzero(row)),
            share=float(row.sum() / train.sum()),
            label_entropy=0.0,
            divergence=0.0,
            skew=skews[index] if skews else 0.0,
            num_skipped=0,
            num_shared=0,
        )
        for index, row in enumerate(train)
    )
    return ChainStatistics(
        labels=tuple(f"label_{index}" for index in range(train.shape[1])),
        stores=stores,
        counts=train + validation,
        train_counts=train.sum(axis=0),
        label_entropy=1.0,
        num_shared=num_shared,
        conflicts=conflicts,
    )


EVEN = [[20, 20]] * 5


def _only(chain: ChainStatistics) -> str:
    (sentence,) = chain_advice(chain)
    return sentence


def test_an_even_chain_needs_no_advice():
    assert chain_advice(_chain(EVEN)) == []


def test_few_stores():
    assert "There is one store" in _only(_chain([[50, 50]]))
    assert "--min_available_stores=2 --min_stores=2" in _only(_chain([[50, 50]] * 2))
    assert "--min_available_stores=4 --min_stores=3" in _only(_chain([[50, 50]] * 4))


def test_skewed_stores_are_named_worst_first():
    sentence = _only(_chain(EVEN, skews=[0, 0.2, 0, 0.4, 0.1]))
    assert "2 of 5 stores will pull" in sentence
    assert "store_3 (2 labels), store_1 (2 labels). Keep --local_epochs=1" in sentence


def test_labels_that_cannot_be_learned():
    absent = _only(_chain([[20, 20, 0]] * 5))
    assert absent.startswith("Without a photograph in any store: label_2.")
    unlearned = chain_advice(_chain([[20, 20, 0]] * 5, [[20, 20, 1]] * 5))
    assert unlearned[0].startswith("In validation only, so that no store learns them: label_2.")
    rare = chain_advice(_chain([[20, 20, 1], [20, 20, 1], *[[20, 20, 0]] * 3]))
    assert "in the whole chain: label_2. Take more" in rare[0]


def test_a_label_of_one_store():
    sentence = _only(_chain([[20, 20, 9], *[[20, 20, 0]] * 4]))
    assert sentence.startswith("1 of 3 labels are known to one store alone: label_2.")
    assert "--participation=1" in sentence


def test_a_store_that_outvotes_the_others():
    sentence = _only(_chain([[200, 200], *[[20, 20]] * 4]))
    assert sentence.startswith("store_0 has 71% of all training photographs")
    assert "--update_clip_norm" in sentence


def test_stores_too_small_for_a_batch():
    sentence = _only(_chain([*EVEN, [3, 2]]))
    assert "1 of 6 stores: store_5." in sentence
    assert "--batch_size=4" in sentence


def test_labels_out_of_balance():
    sentence = _only(_chain([[200, 6]] * 5))
    assert sentence.startswith("label_0 has 1000 training photographs, label_1 has 30:")


def test_little_to_measure_on():
    assert "No store has a validation photograph" in _only(_chain(EVEN, [[0, 0]] * 5))
    assert "25 validation photographs: an accuracy measured on them is good to ±20 points" in _only(
        _chain(EVEN, [[3, 2]] * 5)
    )
    sentence = _only(_chain(EVEN, [[0, 0], *[[20, 20]] * 4]))
    assert sentence.startswith("1 of 5 stores have no validation photograph")


def test_photographs_in_several_stores():
    conflict = ("a", "tea", "b", "milk")
    first, second = chain_advice(_chain(EVEN, conflicts=(conflict,), num_shared=7))
    assert first.startswith("1 photographs have different labels")
    assert "tea in a and milk in b" in first
    assert second.startswith("7 photographs lie in more than one store")
