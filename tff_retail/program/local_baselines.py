"""Trains baselines in this process, several at the same time."""

import concurrent.futures
import queue
import threading
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from datasets.examples import Examples
from tff_retail.program.baseline_job import BaselineJob, train_baseline
from tff_retail.program.pooled_training import Baseline
from tff_retail.program.recogniser import Recogniser


class LocalBaselines:
    """A `BaselineTrainer` with threads.

    Args:
      recogniser: whose model is trained.
      first_weights: the ones the run started from.
      load: gives the examples of a store, by its number, and a split.
      parallel: trained at the same time.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        first_weights: Sequence[np.ndarray],
        load: Callable[[int, str], Examples],
        parallel: int,
    ) -> None:
        self._recogniser = recogniser
        self._first_weights = first_weights
        self._load = load
        self._parallel = parallel

    def train(
        self,
        jobs: Sequence[BaselineJob],
        *,
        on_result: Callable[[BaselineJob, Baseline], None],
        on_rounds: Callable[[int], None],
    ) -> None:
        """See `BaselineTrainer.train`."""
        stop = _Stop()
        lock = threading.Lock()

        def count_round() -> None:
            with lock:
                on_rounds(1)

        def train_one(job: BaselineJob, model: tf.keras.Model) -> None:
            baseline = train_baseline(
                job,
                model,
                recogniser=self._recogniser,
                first_weights=self._first_weights,
                load=self._load,
                on_batch=stop.check,
                on_round=count_round,
            )
            on_result(job, baseline)

        # Keras builds models on global state, so they are built here, one after the other.
        models = [self._recogniser.trained_model() for _ in jobs[: self._parallel]]
        try:
            _train_all(jobs, models, train_one)
        finally:
            stop.set()


def _train_all(
    jobs: Sequence[BaselineJob],
    models: Sequence[tf.keras.Model],
    train_one: Callable[[BaselineJob, tf.keras.Model], None],
) -> None:
    """Trains as many jobs at the same time as there are models."""
    idle: queue.SimpleQueue[tf.keras.Model] = queue.SimpleQueue()
    for model in models:
        idle.put(model)

    def train(job: BaselineJob) -> None:
        model = idle.get()
        try:
            train_one(job, model)
        finally:
            idle.put(model)

    pool = concurrent.futures.ThreadPoolExecutor(max(len(models), 1), "baseline")
    try:
        futures = [pool.submit(train, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            future.result()
    finally:
        # Those that an interrupt leaves at work end at their next batch, see `_Stop`.
        pool.shutdown(wait=False, cancel_futures=True)


class _Stopped(Exception):
    """The baselines were asked to stop."""


class _Stop:
    """Passes on that the baselines shall stop."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def check(self) -> None:
        if self._is_set:
            raise _Stopped
