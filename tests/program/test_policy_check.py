"""What a policy would refuse of a run, before the run asks."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.config import ConfigurationError
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.program.policy_check import check_policy
from tff_retail.runtime.round_form import compile_part

_DATA = tff.SequenceType(tff.types.tensorflow_to_type(tf.TensorSpec([None], tf.int32)))


def _work(function):
    weights = tff.TensorType(np.float32, [2])
    return compile_part(tff.tensorflow.computation(function, [_DATA, weights]))


def _honest(data, weights):
    count = data.reduce(np.float32(0), lambda n, batch: n + tf.cast(tf.size(batch), tf.float32))
    return ({"update": weights + count, "loss": count},)


def _widened(data, weights):
    return (*_honest(data, weights), {"examples": tf.cast(weights, tf.float64)})


def _printing(data, weights):
    with tf.control_dependencies([tf.print(weights)]):
        return ({"update": tf.identity(weights), "loss": data.reduce(0.0, lambda n, _: n)},)


@pytest.fixture(scope="module")
def works():
    return {function.__name__: _work(function) for function in (_honest, _widened, _printing)}


def _manifest(work, **train) -> dict:
    role = {"batch_size": 8, "epochs": 1, "augmentation": "none", "graphs": {"work": work.digest}}
    return {
        "labels": ["a", "b"],
        "image_size": 32,
        "validation_fraction": 0.2,
        "roles": {"train": {**role, **train}},
    }


def _run(folder, work, **train):
    (folder / "round_form" / "train").mkdir(parents=True)
    (folder / "round_form" / "train" / "work.pb").write_bytes(work.computation)
    (folder / "manifest.json").write_text(json.dumps(_manifest(work, **train)))
    return str(folder)


def _store(folder, work):
    (folder / "work").mkdir()
    (folder / "work" / work.digest).write_bytes(work.computation)
    signed = {"manifest": json.dumps(_manifest(work)), "run": "first"}
    (folder / "manifest.signed").write_text(json.dumps(signed))
    return str(folder)


def _file(folder, work):
    (folder / "work.pb").write_bytes(work.computation)
    return str(folder / "work.pb")


@pytest.mark.parametrize("put", [_run, _store, _file])
def test_a_run_is_looked_at_wherever_it_lies(tmp_path, works, put):
    assert check_policy(ReleasePolicy(), put(tmp_path, works["_honest"])) == []
    (tmp_path / "wide").mkdir()
    (line,) = check_policy(ReleasePolicy(), put(tmp_path / "wide", works["_widened"]))
    assert line.startswith("train: egress_outputs: 1/examples: the output '1/examples' of the type")


def test_graph_and_manifest_are_looked_at(tmp_path, works):
    policy = ReleasePolicy(trust="pinned", pinned_graphs=("a" * 64,), min_batch_size=4)
    run = _run(tmp_path, works["_printing"], batch_size=1)
    rules = [line.split(": ")[:2] for line in check_policy(policy, run)]
    assert ["manifest", "pinned_graphs"] in rules
    assert ["manifest", "min_batch_size"] in rules
    assert ["train", "operation_not_allowed"] in rules


def test_a_graph_is_the_one_that_the_manifest_names(tmp_path, works):
    """Else what was looked at, and is then pinned by its digest, would not be what runs."""
    run = _run(tmp_path, works["_printing"])
    shown = tmp_path / "round_form" / "train" / "work.pb"
    shown.write_bytes(works["_honest"].computation)
    with pytest.raises(ConfigurationError, match="the graph of 'train' that its manifest names"):
        check_policy(ReleasePolicy(), run)


def test_what_holds_no_run_is_one_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError, match="^--work must hold a manifest, found none in"):
            check_policy(ReleasePolicy(), str(path))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="^--work must hold a store's manifest: "):
        check_policy(ReleasePolicy(), str(tmp_path))
    (tmp_path / "manifest.json").write_text("no JSON")
    with pytest.raises(ConfigurationError, match="^--work must be readable, found "):
        check_policy(ReleasePolicy(), str(tmp_path))
