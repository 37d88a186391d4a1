import json
import os
import pathlib
import subprocess
import sys

import pytest

from tff_retail import config
from tff_retail.runtime import tensorflow_settings

_CLONE = pathlib.Path(__file__).resolve().parents[2]

# The settings belong to the process and come before TensorFlow's first operation.
_SCRIPT = """
import json, os, sys
import numpy as np, tensorflow as tf
from tff_retail.config import ConfigurationError, RuntimeConfig
from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings as apply

found = {}

def sentence(**settings):
    try:
        apply(RuntimeConfig(**settings), seed=1)
    except ConfigurationError as error:
        return str(error)

found["no_gpu"] = sentence(device="gpu")
found["devices"] = apply(RuntimeConfig(intra_op_threads=40), seed=1)
graph = tf.Graph()
with graph.as_default():
    squared = tf.matmul(tf.ones([300, 300]), tf.ones([300, 300]))
tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto()).run(squared)
found["num_threads"] = len(os.listdir("/proc/self/task"))
found["again"] = apply(RuntimeConfig(intra_op_threads=40, device="cpu"), seed=1)
found["other"] = sentence(intra_op_threads=2)
seeded = []
for _ in range(2):
    apply(RuntimeConfig(intra_op_threads=40, deterministic=True), seed=7)
    seeded.append([float(tf.random.uniform([])), float(np.random.uniform())])
found["seeded"] = seeded
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def found() -> dict:
    output = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=_CLONE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    ).stdout
    return json.loads(output)


def test_a_gpu_that_is_not_there_is_said_in_a_sentence(found):
    assert found["no_gpu"] == (
        "--device must be auto or cpu where TensorFlow sees no GPU, found 'gpu'; "
        "install the CUDA libraries with: make venv GPU=1"
    )


def test_stores_are_not_spread_on_a_cpu(found):
    assert found["devices"] == found["again"] == [""]


def test_the_threads_of_an_operation_are_fixed_before_the_first_session(found):
    assert found["num_threads"] > 40


def test_other_settings_of_a_running_tensorflow_are_refused(found):
    assert found["other"].startswith("TensorFlow is already running with other settings (")
    assert found["other"].endswith("; start a new process or restart the notebook's kernel.")


def test_a_deterministic_run_is_seeded(found):
    first, second = found["seeded"]
    assert first == second


@pytest.mark.parametrize(
    "settings, devices, expected",
    [
        ({}, [""], 8),
        ({"intra_op_threads": 3}, [""], 2),
        ({"intra_op_threads": 16}, [""], 1),
        ({}, ["/GPU:0"], 2),
        ({}, ["/GPU:0", "/GPU:1", "/GPU:2"], 6),
        ({"intra_op_threads": 4}, ["/GPU:0", "/GPU:1"], 2),
        ({"intra_op_threads": 8}, ["/GPU:0", "/GPU:1", "/GPU:2", "/GPU:3"], 4),
        ({"parallel_stores": 3}, ["/GPU:0", "/GPU:1", "/GPU:2", "/GPU:3"], 3),
        ({"parallel_stores": 40}, ["/GPU:0"], 40),
    ],
)
def test_stores_side_by_side_follow_cores_and_devices(monkeypatch, settings, devices, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    runtime = config.RuntimeConfig(**settings)
    assert tensorflow_settings.default_parallel_stores(runtime, devices) == expected
