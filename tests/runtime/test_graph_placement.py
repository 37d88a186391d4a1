import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

from tff_retail.runtime import graph_placement

_CLONE = pathlib.Path(__file__).resolve().parents[2]

# Two logical devices stand for a GPU beside the CPU; a process can't be divided twice.
_SCRIPT = """
import collections, json, re, sys
import numpy as np, tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.config import LearningConfig, ModelConfig
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.feature_extraction import build_feature_computation
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.loss import build_loss
from tff_retail.learning.models.keras_model import build_backbone, build_keras_model
from tff_retail.runtime.context import install_context
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import compile_part, compile_round_form
from tff_retail.runtime.session_pool import SessionPool

install_context()
model = ModelConfig(name="simple_cnn", image_size=32, width_multiplier=0.05)
learning = LearningConfig()
pipeline = ExamplePipeline(
    feature="image", shape=(32, 32, 3), dtype="uint8", batch_size=4, augmentation="light"
)
backbone = build_backbone(model)
generator = np.random.default_rng(1)
images = generator.integers(0, 256, (10, 32, 32, 3)).astype(np.uint8)
examples = Examples(images, np.arange(10, dtype=np.int32) % 3, np.arange(10))
feeds = pipeline.feeds(examples, seed=1, round_num=1, store="Bern")
keras_model = build_keras_model(model, 3)
first = [generator.normal(0, 0.1, w.shape).astype(np.float32) for w in keras_model.weights]
functional = build_functional_model(
    lambda: keras_model,
    initial_weights=first,
    loss=build_loss(learning, 3),
    input_spec=pipeline.element_spec(),
)
process = build_fed_avg(functional, learning, 1)
form = compile_round_form(process.initialize, process.next)
broadcast = PartSession(form["prepare"])(PartSession(form.initialize)())
features = compile_part(build_feature_computation(model, pipeline.element_spec()))


def nodes(session, tensors):
    # What ran on each device, functions' bodies included.
    inputs = [*tensors, *feeds.values()]
    keys = session._bound.feeds
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    fetches = [leaf.tensor for leaf in session.part.result if leaf.tensor not in keys]
    session._session.run(fetches, dict(zip(keys, inputs)), options, metadata)
    found = collections.defaultdict(set)
    for of_device in metadata.step_stats.dev_stats:
        for stats in of_device.node_stats:
            operation = re.search(r"= (\\w+)\\(", stats.timeline_label)
            if operation:
                found[of_device.device.rpartition("device:")[2]].add(operation[1])
    return {device: sorted(ops) for device, ops in found.items()}


found = {"ops": {}, "results": {}}
for name, part, tensors in (
    ("work", form["work"], broadcast), ("features", features, first[: len(backbone.weights)])
):
    results = []
    for device in ("/CPU:0", "/CPU:1"):
        session = PartSession(part, [pipeline], device=device)
        session.part = part
        results.append([array.tobytes().hex() for array in session(tensors, [feeds])])
        if device == "/CPU:1":
            found["ops"][name] = nodes(session, tensors)
    found["results"][name] = results
pool = SessionPool(
    lambda device: PartSession(form["work"], [pipeline], device=device), ["/CPU:0", "/CPU:1"]
)


def device_of(session):
    # Beside the CPU that reads the data set; one that computes there too lies nowhere else.
    others = {node.device for node in session._bound.graph.as_graph_def().node} - {"/device:CPU:0"}
    return (others.pop() if others else "/device:CPU:0").replace("/device:", "/")


with pool.session() as one:
    with pool.session() as two:
        found["lent"] = [[device_of(one), device_of(two)]]
    with pool.session() as three:
        found["lent"].append([device_of(three), device_of(one)])
headquarters = PartSession(form["prepare"])
graph = headquarters._bound.graph.as_graph_def()
found["headquarters"] = sorted({node.device for node in graph.node})
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


@pytest.mark.parametrize("graph", ["work", "features"])
def test_the_data_set_is_read_on_the_cpu_and_the_rest_computed_on_the_device(found, graph):
    ops = found["ops"][graph]
    assert set(ops) == {"CPU:0", "CPU:1"}
    reading = {op for op in ops["CPU:1"] if "Dataset" in op or "Iterator" in op or "Optional" in op}
    computing = [op for op in ops["CPU:0"] if "Conv" in op or "Relu" in op or "Rsqrt" in op]
    assert (reading, computing) == (set(), [])
    assert {"AnonymousIteratorV3", "MapDataset", "IteratorGetNextAsOptional"} <= set(ops["CPU:0"])
    assert any("Conv2D" in op for op in ops["CPU:1"]) and "Rsqrt" in ops["CPU:1"]
    assert graph == "features" or any("Conv2DBackprop" in op for op in ops["CPU:1"])


@pytest.mark.parametrize("graph", ["work", "features"])
def test_another_device_of_the_same_kind_gives_the_same_bits(found, graph):
    on_first, on_second = found["results"][graph]
    assert len(on_first) >= 1
    assert on_first == on_second


def test_headquarters_computes_on_the_cpu(found):
    assert found["headquarters"] == ["/device:CPU:0"]


def test_stores_at_work_are_spread_evenly(found):
    assert found["lent"] == [["/CPU:0", "/CPU:1"], ["/CPU:1", "/CPU:0"]]


def _graph() -> tf.compat.v1.GraphDef:
    """A loop that hands an iterator round, and a weight."""
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="iterator", op="AnonymousIteratorV3")
    graph.node.add(name="weight", op="Placeholder")
    for name in ("iterator", "weight"):
        graph.node.add(name=f"{name}/enter", op="Enter", input=[name])
        graph.node.add(name=f"{name}/merge", op="Merge", input=[f"{name}/enter", f"{name}/next"])
        graph.node.add(name=f"{name}/next", op="NextIteration", input=[f"{name}/merge:0"])
    handle, value = tf.resource.as_datatype_enum, tf.float32.as_datatype_enum
    for node in graph.node:
        if "/" in node.name:
            node.attr["T"].type = handle if node.name.startswith("iterator") else value
    graph.node.add(name="batch", op="IteratorGetNext", input=["iterator/merge"])
    graph.node.add(name="cast", op="Cast", input=["batch"])
    graph.node.add(name="same", op="Identity", input=["batch"]).attr["T"].type = value
    return graph


def test_a_handle_is_followed_round_loops_and_a_tensor_is_not():
    graph = _graph()
    graph_placement.place_graph(graph, "/GPU:1")
    on_cpu = {node.name for node in graph.node if node.device == "/CPU:0"}
    assert on_cpu == {"iterator", "batch", "iterator/enter", "iterator/merge", "iterator/next"}
    assert {node.device for node in graph.node if node.name not in on_cpu} == {"/GPU:1"}


def test_without_a_device_the_graph_stays_as_it_is():
    graph = _graph()
    graph_placement.place_graph(graph, "")
    assert graph == _graph()
