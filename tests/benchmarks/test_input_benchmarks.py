import pathlib
import types
from typing import Any

import numpy as np
import pytest

from benchmarks import cached_features, input_share
from benchmarks.measurement import Scratch
from benchmarks.setting import Setting

_TINY = Setting(model="simple_cnn", image_size=32, num_stores=2, photographs_per_store=40)


def test_a_run_without_the_cache_trains_the_same_head(tmp_path: pathlib.Path):
    # It compares the heads itself.
    row = cached_features.measure(1, Scratch(tmp_path, tmp_path), lambda text: None, _TINY)
    (comparison,) = row.comparisons
    assert comparison.at_least == 10.0
    measured = {series.name: series.values for series in row.series}
    (without,) = measured["round without the cache"]
    (cached,) = measured["round with it, from the second on"]
    assert comparison.values == (without / cached,)


def test_heads_that_differ_are_refused():
    def rounds(value: float) -> Any:
        head = np.full([2], value, np.float32)
        return types.SimpleNamespace(
            state_paths=["global_model_weights/trainable/0", "aggregator"], state=[head, head]
        )

    cached_features._require_equal_heads(rounds(1.0), rounds(1.0))
    with pytest.raises(AssertionError, match="the runs differ"):
        cached_features._require_equal_heads(rounds(1.0), rounds(1.0001))


def test_input_is_a_share_of_a_round(tmp_path: pathlib.Path):
    row = input_share.measure(2, Scratch(tmp_path, tmp_path), lambda text: None, _TINY)
    speeds = {series.name: series.values for series in row.series}
    shares = {comparison.name: comparison.values for comparison in row.comparisons}
    assert shares["input, of a round"] == pytest.approx(
        [100 * a / b for a, b in zip(speeds["round"], speeds["input"], strict=True)]
    )
    assert [len(values) for values in speeds.values()] == [2, 2, 2, 2]
