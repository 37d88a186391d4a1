import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tff_retail.config import ModelConfig
from tff_retail.learning.initial_weights import initial_weights
from tff_retail.learning.models.keras_model import build_keras_model

_TINY = ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32)
_PRINT_SUMS = """
import json
from tff_retail.config import ModelConfig
from tff_retail.learning.initial_weights import initial_weights
model = ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32)
print(json.dumps([float(w.astype("float64").sum()) for w in initial_weights(model, 3, 5)]))
"""


def test_weights_fit_the_model() -> None:
    weights = initial_weights(_TINY, 3, seed=1)
    assert all(weight.dtype == np.float32 for weight in weights)
    build_keras_model(_TINY, 3).set_weights(weights)


def test_a_fresh_process_draws_the_same_whatever_was_built_before() -> None:
    build_keras_model(_TINY, 2)
    here = [float(w.astype("float64").sum()) for w in initial_weights(_TINY, 3, 5)]
    process = subprocess.run(
        [sys.executable, "-c", _PRINT_SUMS],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(process.stdout) == here


def test_another_seed_draws_others_for_every_kernel() -> None:
    pairs = zip(initial_weights(_TINY, 3, 1), initial_weights(_TINY, 3, 2), strict=True)
    assert all(not np.array_equal(a, b) for a, b in pairs if a.ndim > 1)


def test_the_number_of_labels_does_not_change_the_backbone() -> None:
    three, four = initial_weights(_TINY, 3, 1)[:-2], initial_weights(_TINY, 4, 1)[:-2]
    for a, b in zip(three, four, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [("Conv1/kernel", 27), ("block_1_depthwise/depthwise_kernel", 9), ("Conv_1/kernel", 320)],
)
def test_kernels_are_drawn_for_their_number_of_inputs(layer: str, fan_in: int) -> None:
    model = ModelConfig(name="mobilenet_v2", image_size=32)
    names = [variable.name for variable in build_keras_model(model, 2).weights]
    kernel = initial_weights(model, 2, 1)[names.index(f"{layer}:0")]
    assert kernel.std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)


def test_normalisations_start_neutral() -> None:
    names = [variable.name for variable in build_keras_model(_TINY, 3).weights]
    by_name = dict(zip(names, initial_weights(_TINY, 3, 1), strict=True))
    assert np.all(by_name["norm1/gamma:0"] == 1)
    assert np.all(by_name["norm1/beta:0"] == 0)
    assert np.all(by_name["logits/bias:0"] == 0)
