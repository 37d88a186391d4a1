"""What a round's metrics are called: the one place that knows where TFF puts them.

All functions take the metrics nested, as a TFF process returns them, or flat by path
(`client_work/train/loss`), as the round form names them.
"""

import collections
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tff_retail.learning.confidence_counts import CONFIDENCE
from tff_retail.learning.confidence_histogram import ConfidenceHistogram

_EVALUATION = "client_work/eval/current_round_metrics/"
_COUNTS = f"{_EVALUATION}{CONFIDENCE}/"
_RENAMED = {"finalizer/update_non_finite": "update_rejected"}


def training_metrics(metrics: Mapping[str, Any]) -> "collections.OrderedDict[str, Any]":
    """The metrics of a round of `fed_avg.build_fed_avg`, by short names.

    Args:
      metrics: `process.next(...).metrics`.

    Returns:
      loss, top_1, top_5, num_examples: over the examples the cohort trained on, each batch
        before the step it made; all zero where no store contributed.
      client_learning_rate: only with a schedule.
      num_not_finite: stores whose update was not finite (or weighed nothing) and was dropped.
      num_clipped: stores whose update was scaled down to `update_clip_norm`.
      update_norm: mean L2 norm of an update before clipping, over the stores not dropped.
      update_rejected: 1 where the mean was not finite, as when every update was dropped, and
        the model was left as it was; else 0.
    """
    return collections.OrderedDict(
        (_RENAMED.get(path, path.rpartition("/")[2]), value) for path, value in _leaves(metrics)
    )


def evaluation_metrics(metrics: Mapping[str, Any]) -> "collections.OrderedDict[str, Any]":
    """The metrics of one evaluation by `fed_eval.build_fed_eval`, by short names.

    Args:
      metrics: `process.next(...).metrics`.

    Returns:
      loss, top_1, top_5, num_examples: over all examples of the cohort, each counted once.
    """
    return collections.OrderedDict(
        (path.removeprefix(_EVALUATION), value)
        for path, value in _leaves(metrics)
        if path.startswith(_EVALUATION) and not path.startswith(_COUNTS)
    )


def confidence_histogram(metrics: Mapping[str, Any]) -> ConfidenceHistogram | None:
    """How sure the model was in one evaluation, over all examples of the cohort.

    Args:
      metrics: `process.next(...).metrics`.

    Returns:
      None where the evaluation did not count it, as graphs of older versions do not.
    """
    counts = {
        path.removeprefix(_COUNTS): np.asarray(value)
        for path, value in _leaves(metrics)
        if path.startswith(_COUNTS)
    }
    return ConfidenceHistogram(**counts) if counts else None


def _leaves(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}/")
        elif not isinstance(value, tuple):  # TFF's empty measurement is ().
            yield prefix + name, value
