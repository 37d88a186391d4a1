"""Which stores will hurt a training, and which setting helps: plain sentences from numbers."""

from collections.abc import Callable, Iterator

import numpy as np

from datasets.chain_statistics import ChainStatistics
from tff_retail.config import DataConfig, LearningConfig, ScheduleConfig

# From where on a difference shows in the results of simulated chains (DESIGN references: the
# step from Dirichlet alpha 1 to 0.3 costs about five points, and is about this much skew).
SKEWED = 0.15
# Above half, one store outvotes all others together in the average.
DOMINANT_SHARE = 0.5
# Below this a label is a handful of pictures that a network learns by heart.
FEW_PHOTOGRAPHS = 5
# Most frequent label over rarest from where on a model does well by ignoring the rarest.
IMBALANCED = 20
# 100 validation photographs tell accuracies apart that differ by ten points.
FEW_VALIDATION = 100
_MAX_NAMES = 5


def chain_advice(statistics: ChainStatistics) -> list[str]:
    """What to expect of a chain and what to set, most important first; empty if all is well."""
    return [sentence for rule in _RULES for sentence in rule(statistics)]


def _few_stores(chain: ChainStatistics) -> Iterator[str]:
    schedule = ScheduleConfig()
    number = len(chain.stores)
    if number == 1:
        yield (
            "There is one store: training will be the same as training on its photographs alone."
            " A chain is a folder of several store folders."
        )
    elif number < schedule.min_available_stores:
        yield (
            f"There are {number} stores, fewer than the {schedule.min_available_stores} that"
            " training waits for by default: a simulation goes on with those there are; set"
            f" --min_available_stores={number} --min_stores={min(number, schedule.min_stores)}"
            " to mean it."
        )


def _unlearnable_labels(chain: ChainStatistics) -> Iterator[str]:
    seen = chain.counts.sum(axis=0)
    absent = _labels_where(chain, seen == 0)
    if absent:
        yield f"Without a photograph in any store: {_names(absent)}. The model can't know them."
    unlearned = _labels_where(chain, (seen > 0) & (chain.train_counts == 0))
    if unlearned:
        yield (
            f"In validation only, so that no store learns them: {_names(unlearned)}. Lower"
            " --validation_fraction, or take more photographs of them."
        )
    rare = _labels_where(chain, (chain.train_counts > 0) & (chain.train_counts < FEW_PHOTOGRAPHS))
    if rare:
        yield (
            f"Fewer than {FEW_PHOTOGRAPHS} training photographs in the whole chain: {_names(rare)}."
            " Take more, or set --augmentation=strong and --weights=imagenet."
        )


def _conflicting_labels(chain: ChainStatistics) -> Iterator[str]:
    if chain.conflicts:
        store, label, other, other_label = chain.conflicts[0]
        yield (
            f"{len(chain.conflicts)} photographs have different labels in different stores, such as"
            f" {label} in {store} and {other_label} in {other}. Correct one of each pair."
        )


def _skewed_stores(chain: ChainStatistics) -> Iterator[str]:
    skewed = sorted(
        (store for store in chain.stores if store.skew > SKEWED), key=lambda store: -store.skew
    )
    if skewed and len(chain.stores) > 1:
        names = [f"{store.name} ({store.num_labels} labels)" for store in skewed]
        yield (
            f"{len(skewed)} of {len(chain.stores)} stores will pull the model their own way, since"
            f" their labels differ from the chain's by more than chance: {_names(names)}. Keep"
            " --local_epochs=1 and --participation=1, and allow more --rounds;"
            " --server_optimizer=adam or a lower --client_learning_rate helps where accuracy"
            " swings from round to round."
        )


def _lonely_labels(chain: ChainStatistics) -> Iterator[str]:
    if len(chain.stores) < 2:
        return
    lonely = _labels_where(chain, np.count_nonzero(chain.counts, axis=0) == 1)
    if lonely:
        yield (
            f"{len(lonely)} of {len(chain.labels)} labels are known to one store alone:"
            f" {_names(lonely)}. A round without that store forgets them: keep --participation=1."
        )


def _dominant_store(chain: ChainStatistics) -> Iterator[str]:
    largest = max(chain.stores, key=lambda store: store.share)
    if largest.share > DOMINANT_SHARE and len(chain.stores) > 1:
        yield (
            f"{largest.name} has {largest.share:.0%} of all training photographs, so the average is"
            " mostly its own model: watch the unweighted accuracy and the worst store, and set"
            " --update_clip_norm to bound what one store can do."
        )


def _small_stores(chain: ChainStatistics) -> Iterator[str]:
    batch_size = LearningConfig().batch_size
    small = [store for store in chain.stores if store.num_train < batch_size]
    if small:
        weight = sum(store.share for store in small)
        typical = int(np.median([store.num_train for store in small]))
        fitting = min(8, max(4, 2 ** (max(typical, 1).bit_length() - 1)))
        yield (
            f"Too small to fill a batch of {batch_size}, {len(small)} of {len(chain.stores)}"
            f" stores: {_names([store.name for store in small])}. Their updates are noisy, but"
            f" weigh {weight:.0%} in all; set --batch_size={fitting} or --local_epochs=2."
        )


def _imbalanced_labels(chain: ChainStatistics) -> Iterator[str]:
    counts = chain.train_counts
    if counts.max() >= IMBALANCED * max(1, int(counts[counts > 0].min())):
        most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max()).argmin())
        yield (
            f"{chain.labels[most]} has {counts[most]} training photographs,"
            f" {chain.labels[least]} has {counts[least]}: judge the model by the table of labels of"
            " tff_retail.evaluate, not by accuracy alone; --label_smoothing=0.1 softens it."
        )


def _little_validation(chain: ChainStatistics) -> Iterator[str]:
    number = sum(store.num_validation for store in chain.stores)
    fraction = DataConfig(data_dir="").validation_fraction
    if number == 0:
        yield (
            "No store has a validation photograph, so nothing can be measured: raise"
            f" --validation_fraction (by default {fraction}) or name a test set with --eval_dir."
        )
    elif number < FEW_VALIDATION:
        # Two standard errors of a share, at its widest (one half).
        yield (
            f"There are {number} validation photographs: an accuracy measured on them is good to"
            f" ±{100 / np.sqrt(number):.0f} points. Raise --validation_fraction or name a test set"
            " with --eval_dir."
        )
    without = [store.name for store in chain.stores if store.num_validation == 0]
    if without and number:
        yield (
            f"{len(without)} of {len(chain.stores)} stores have no validation photograph and no"
            f" accuracy of their own: {_names(without)}."
        )


def _shared_photographs(chain: ChainStatistics) -> Iterator[str]:
    if chain.num_shared:
        yield (
            f"{chain.num_shared} photographs lie in more than one store: they stay on one side of"
            " the split, but count once for each store. Remove the copies if that is not meant."
        )


_RULES: tuple[Callable[[ChainStatistics], Iterator[str]], ...] = (
    _few_stores,
    _unlearnable_labels,
    _conflicting_labels,
    _skewed_stores,
    _lonely_labels,
    _dominant_store,
    _small_stores,
    _imbalanced_labels,
    _little_validation,
    _shared_photographs,
)


def _labels_where(chain: ChainStatistics, mask: np.ndarray) -> list[str]:
    return [chain.labels[index] for index in np.flatnonzero(mask)]


def _names(names: list[str]) -> str:
    """The first names, shortened, and how many more there are."""
    shown = ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in names[:_MAX_NAMES])
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES} more"
