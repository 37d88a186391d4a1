"""One baseline of a run: on whose photographs it is trained, and its training in this process."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from datasets.examples import Examples
from tff_retail.program.pooled_training import Baseline, PooledExamples, train_pooled
from tff_retail.program.recogniser import Recogniser


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineJob:
    """A baseline to train.

    Attributes:
      name: of the store it is trained on, or `central`.
      train_on: numbers of the stores whose training examples are pooled.
      measure_on: numbers of the stores whose validation examples it is measured on.
      num_examples: to train on.
      rounds: as many as the run had.
    """

    name: str
    train_on: tuple[int, ...]
    measure_on: tuple[int, ...]
    num_examples: int
    rounds: int


def train_baseline(
    job: BaselineJob,
    model: tf.keras.Model,
    *,
    recogniser: Recogniser,
    first_weights: Sequence[np.ndarray],
    load: Callable[[int, str], Examples],
    on_batch: Callable[[], None] = lambda: None,
    on_round: Callable[[], None] = lambda: None,
) -> Baseline:
    """Trains a baseline.

    Args:
      job: which one.
      model: the recogniser's; its weights are replaced.
      recogniser: whose configuration and pipeline count.
      first_weights: the ones the run started from.
      load: gives the examples of a store, by its number, and a split.
      on_batch, on_round: see `train_pooled`.
    """
    config = recogniser.config

    def pooled(numbers: Sequence[int], split: str) -> PooledExamples:
        return PooledExamples([functools.partial(load, number, split) for number in numbers])

    return train_pooled(
        model,
        first_weights,
        train=pooled(job.train_on, "train"),
        validation=pooled(job.measure_on, "validation"),
        pipeline=recogniser.pipelines["train"],
        learning=config.learning,
        rounds=job.rounds,
        eval_every=config.schedule.eval_every,
        seed=config.schedule.seed,
        name=f"baseline/{job.name}",
        on_batch=on_batch,
        on_round=on_round,
    )
