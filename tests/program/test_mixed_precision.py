"""Runs whose stores train in half precision: what is released is float32."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.train_command import make_chain
from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    ScheduleConfig,
)
from tff_retail.program.console import PlainConsole
from tff_retail.program.released_model import load_released_model, rebuild_keras_model
from tff_retail.program.run import run
from tff_retail.runtime.round_form import load_round_form

_HALF = tf.bfloat16.as_datatype_enum


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[RunConfig, dict, list[str]]:
    """Two rounds in bfloat16: their configuration, summary and lines."""
    folder = tmp_path_factory.mktemp("mixed")
    config = RunConfig(
        data=DataConfig(data_dir=str(make_chain(folder)), validation_fraction=0.3),
        model=ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32),
        learning=LearningConfig(
            batch_size=4, precision="mixed_bfloat16", client_learning_rate=0.01, local_epochs=2
        ),
        schedule=ScheduleConfig(rounds=3, seed=3),
        output_dir=str(folder / "run"),
        compare_central=True,
    )
    return config, *_run(config)


def _run(config: RunConfig) -> tuple[dict, list[str]]:
    stream = io.StringIO()
    summary = run(config, console=PlainConsole(stream))
    return summary, stream.getvalue().splitlines()


def _is_half(config: RunConfig, role: str) -> bool:
    form = load_round_form(pathlib.Path(config.output_dir) / "round_form" / role)
    assert form is not None
    graph = form["work"].graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    convolutions = [node for node in nodes if "Conv2D" in node.op]
    kinds = {node.attr["T"].type for node in convolutions}
    assert len(kinds) == 1
    return kinds == {_HALF}


def test_stores_train_in_half_precision_and_are_evaluated_as_the_released_model_is(first):
    config, _, _ = first
    assert _is_half(config, "train")
    assert not _is_half(config, "evaluate")


def test_it_learns(first):
    _, summary, _ = first
    assert summary["eval_accuracy"] >= 0.8  # of three colours, a third by chance
    assert summary["central_accuracy"] >= 0.8


def test_the_released_model_is_float32(first):
    config, _, _ = first
    folder = pathlib.Path(config.output_dir) / "model"
    model = rebuild_keras_model(folder)
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"float32"}
    assert {array.dtype for array in model.get_weights()} == {np.dtype(np.float32)}
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_allclose(
        load_released_model(folder).predict(images),
        tf.nn.softmax(model({"image": images})),
        atol=1e-6,
    )


def test_another_precision_is_another_run(first):
    config, _, _ = first
    learning = dataclasses.replace(config.learning, precision="float32")
    with pytest.raises(ConfigurationError, match="--precision=mixed_bfloat16 where this run has"):
        run(dataclasses.replace(config, learning=learning), console=PlainConsole(io.StringIO()))


def test_a_frozen_backbone_computes_its_features_in_half_precision(first, tmp_path):
    config, _, _ = first
    frozen = dataclasses.replace(
        config,
        model=dataclasses.replace(
            config.model, weights=str(config.output_dir), freeze_backbone=True
        ),
        learning=dataclasses.replace(config.learning, augmentation="none"),
        schedule=ScheduleConfig(rounds=1, seed=3),
        output_dir=str(tmp_path / "frozen"),
        compare_central=False,
    )
    summary, _ = _run(frozen)
    assert summary["eval_accuracy"] >= 0.8
    manifest = json.loads((tmp_path / "frozen" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["roles"]["features"]["takes"]["image"].startswith("uint8")
    features = np.load(next(pathlib.Path(config.data.data_dir).rglob("features-*.npy")))
    assert features.dtype == np.float32
