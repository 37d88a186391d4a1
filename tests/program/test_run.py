"""A whole run in this process: what it says, what it makes, what it refuses."""

import collections
import dataclasses
import io
import json
import pathlib
import shutil

import numpy as np
import pytest

import tff_retail
from datasets.chain import open_chain
from tests.colour_run import COLOURS, write_photographs
from tests.train_command import LABELS, make_chain, read_csv, weights
from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    ScheduleConfig,
)
from tff_retail.learning.confidence_histogram import count_confidence
from tff_retail.program.console import PlainConsole
from tff_retail.program.released_model import load_released_model
from tff_retail.program.run import run

SMALL = ModelConfig(name="simple_cnn", width_multiplier=0.1, image_size=32)
KEYS = {
    "rounds_completed",
    "eval_accuracy",
    "eval_loss",
    "num_stores",
    "images_per_second",
    "status",
    "configuration",
    "versions",
    "threads",
    "digests",
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> pathlib.Path:
    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture
def config(chain, tmp_path) -> RunConfig:
    return RunConfig(
        data=DataConfig(data_dir=str(chain), validation_fraction=0.3),
        model=SMALL,
        learning=LearningConfig(batch_size=8),
        schedule=ScheduleConfig(rounds=2, seed=3),
        output_dir=str(tmp_path / "run"),
    )


@pytest.fixture(scope="module")
def first_run(chain, tmp_path_factory) -> pathlib.Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("first")
    config = RunConfig(
        data=DataConfig(data_dir=str(chain), validation_fraction=0.3),
        model=SMALL,
        learning=LearningConfig(batch_size=8),
        schedule=ScheduleConfig(rounds=2, seed=3),
        output_dir=str(folder / "run"),
    )
    run(config, console=PlainConsole(io.StringIO()))
    return folder / "run"


def _start_from(compiled: pathlib.Path, config: RunConfig) -> None:
    """Spares compiling once more what another run has compiled."""
    folder = pathlib.Path(config.output_dir)
    folder.mkdir()
    (folder / "configuration.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    shutil.copytree(compiled / "round_form", folder / "round_form")


def _run(config: RunConfig) -> tuple[dict, list[str]]:
    stream = io.StringIO()
    summary = run(config, console=PlainConsole(stream))
    return summary, stream.getvalue().splitlines()


def test_from_a_script_it_prints_its_lines_and_nothing_else(first_run, config, capfd):
    _start_from(first_run, config)
    summary = tff_retail.run(config)
    written = capfd.readouterr()
    assert written.err == ""
    lines = written.out.splitlines()
    assert lines[:2] == [
        "3 stores, 3 labels, 51 photographs to train on",
        "there are 3 stores, so --min_stores is 3 and --min_available_stores 3 in this simulation",
    ]
    assert [line.partition(" | ")[0] for line in lines[2:]] == ["round 1/2", "round 2/2"]
    assert summary.keys() >= KEYS
    assert not summary.keys() & {"central_accuracy", "local_accuracy"}
    folder = pathlib.Path(config.output_dir)
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == summary
    assert (summary["status"], summary["rounds_completed"]) == ("completed", 2)
    assert summary["configuration"] == config.to_json()
    # The same as before, though another folder and another start.
    assert weights(folder / "model_last") == weights(first_run / "model_last")
    assert weights(folder / "model") == weights(first_run / "model")


def test_another_seed_gives_another_model(first_run, config):
    seed = dataclasses.replace(config.schedule, seed=4, rounds=1)
    _run(dataclasses.replace(config, schedule=seed))
    ours, theirs = (
        weights(folder / "model_last") for folder in (pathlib.Path(config.output_dir), first_run)
    )
    assert [name for name, _, _ in ours] == [name for name, _, _ in theirs]
    assert all(a[2] != b[2] for a, b in zip(ours, theirs, strict=True))


def test_what_a_run_leaves(first_run):
    assert {entry.name for entry in first_run.iterdir()} == {
        "baselines",
        "best",
        "checkpoints",
        "configuration.json",
        "curves.png",
        "data_report.json",
        "manifest.json",
        "metrics.csv",
        "model",
        "model_last",
        "predictions.png",
        "reliability.png",
        "round_form",
        "run.lock",
        "stores.csv",
        "summary.json",
        "tensorboard",
    } - {"baselines"}
    assert [row["round"] for row in read_csv(first_run / "metrics.csv")] == ["1", "2"]
    rows = read_csv(first_run / "stores.csv")
    assert collections.Counter(row["round"] for row in rows) == {"1": 3, "2": 3}


def test_a_finished_run_says_so(first_run):
    config = RunConfig.from_json(json.loads((first_run / "configuration.json").read_text()))
    before = {path: path.stat().st_mtime_ns for path in first_run.rglob("*")}
    summary, lines = _run(config)
    assert summary["rounds_completed"] == 2
    assert lines == [f"{first_run} holds a finished run; nothing to do"]
    assert {path: path.stat().st_mtime_ns for path in first_run.rglob("*")} == before


def test_the_summary_tells_what_the_model_does(first_run, chain):
    summary = json.loads((first_run / "summary.json").read_text(encoding="utf-8"))
    found = open_chain(DataConfig(data_dir=str(chain), validation_fraction=0.3), 32)
    model = load_released_model(first_run)
    assert model.labels == found.labels
    hits = count = 0
    for store in found.stores:
        examples = store.load("validation")
        predicted = np.argmax(model.predict(np.asarray(examples.features)), axis=-1)
        hits, count = hits + int(np.sum(predicted == examples.labels)), count + len(examples)
    assert count == summary["eval_examples"]
    assert summary["eval_accuracy"] == pytest.approx(hits / count)


def test_the_threshold_for_unknown_products_is_of_the_stores_own_counts(first_run, chain):
    summary = json.loads((first_run / "summary.json").read_text(encoding="utf-8"))
    model = load_released_model(first_run)
    found = open_chain(DataConfig(data_dir=str(chain), validation_fraction=0.3), 32)
    examples = [store.load("validation") for store in found.stores]
    scores = model.predict(np.concatenate([part.features for part in examples]))
    is_right = scores.argmax(axis=1) == np.concatenate([part.labels for part in examples])
    expected = count_confidence(scores.max(axis=1), is_right)
    confidence = summary["confidence"]
    assert confidence["num_examples"] == len(is_right)
    assert confidence["ece"] == pytest.approx(expected.expected_calibration_error, abs=1e-3)
    # --unknown_share=0.05 of fewer than 20 right ones is none.
    assert int(is_right.sum()) < 20
    surest = 1 / 1500 + model.unknown_threshold
    assert model.unknown_threshold <= scores.max(axis=1)[is_right].min() <= surest + 1e-6
    assert confidence["unknown_threshold"] == model.unknown_threshold
    best = next(
        row
        for row in read_csv(first_run / "metrics.csv")
        if int(row["round"]) == summary["best_round"]
    )
    assert float(best["eval/ece"]) == summary["eval_ece"] == confidence["ece"]


def test_a_frozen_backbone_releases_the_whole_model(chain, first_run, config):
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(SMALL, weights=str(first_run), freeze_backbone=True),
        learning=LearningConfig(batch_size=8, augmentation="none", client_learning_rate=0.01),
        compare_central=True,
    )
    summary, _ = _run(config)
    model = load_released_model(config.output_dir)
    found = open_chain(config.data, 32)
    examples = [store.load("validation") for store in found.stores]
    images = np.concatenate([part.features for part in examples])  # photographs, not features
    labels = np.concatenate([part.labels for part in examples])
    predicted = np.argmax(model.predict(images), axis=-1)
    assert summary["eval_accuracy"] == pytest.approx(np.mean(predicted == labels))
    assert 0 <= summary["central_accuracy"] <= 1
    backbone = weights(first_run / "model")[:-2]
    released = weights(pathlib.Path(config.output_dir) / "model")
    assert [bits for _, _, bits in released[:-2]] == [bits for _, _, bits in backbone]
    assert set(summary["digests"]) == {"train", "evaluate"}
    manifest = json.loads((pathlib.Path(config.output_dir) / "manifest.json").read_text())
    assert manifest["roles"]["features"]["gives"] == []


@pytest.mark.parametrize(
    "learning, schedule",
    [
        (
            {"server_optimizer": "momentum", "client_optimizer": "sgd", "update_clip_norm": 1.0},
            {"participation": 0.5, "min_stores": 1, "min_available_stores": 1},
        ),
        (
            {"server_optimizer": "adam", "client_optimizer": "momentum", "weight_decay": 0.01},
            {"eval_every": 3},
        ),
        (
            {"server_optimizer": "yogi", "learning_rate_schedule": "cosine", "warmup_rounds": 1},
            {"patience": 1},
        ),
        (
            {"server_optimizer": "adagrad", "client_optimizer": "adamw", "label_smoothing": 0.1},
            {},
        ),
    ],
    ids=lambda settings: settings.get("server_optimizer"),
)
def test_optimisers_and_schedules_train(config, learning, schedule):
    config = dataclasses.replace(
        config,
        learning=dataclasses.replace(config.learning, augmentation="none", **learning),
        schedule=dataclasses.replace(config.schedule, **schedule),
    )
    summary, lines = _run(config)
    assert summary["rounds_completed"] in ((1, 2) if "patience" in schedule else (2,))
    assert np.isfinite(summary["eval_loss"])
    asked = "2/2 stores" if "participation" in schedule else "3/3 stores"
    assert all(asked in line for line in lines if line.startswith("round"))
    rows = read_csv(pathlib.Path(config.output_dir) / "metrics.csv")
    assert [bool(row["eval/top_1"]) for row in rows] == (
        [False, True] if "eval_every" in schedule else [True] * len(rows)
    )


def test_without_photographs_to_evaluate_on_the_last_model_is_taken(first_run, chain, config):
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, validation_fraction=1e-6)
    )
    _start_from(first_run, config)
    summary, lines = _run(dataclasses.replace(config))
    assert any(line.startswith("no store has photographs to evaluate on") for line in lines)
    assert (summary["eval_accuracy"], summary["eval_loss"]) == (None, None)
    folder = pathlib.Path(config.output_dir)
    assert weights(folder / "model") == weights(folder / "model_last")
    assert not (folder / "predictions.png").exists()
    assert not (folder / "reliability.png").exists()
    assert summary["confidence"] is None
    assert load_released_model(folder).unknown_threshold is None


def test_headquarters_own_test_set_counts(first_run, config, tmp_path):
    eval_dir = tmp_path / "test set"
    for colour in range(len(COLOURS)):
        write_photographs(eval_dir / LABELS[colour], colour, num_photographs=2, seed=99)
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, eval_dir=str(eval_dir))
    )
    _start_from(first_run, config)
    summary, _ = _run(config)
    assert summary["eval_examples"] == 6
    assert summary["confidence"]["num_examples"] == 21  # the threshold is the stores' affair
    rows = read_csv(pathlib.Path(config.output_dir) / "stores.csv")
    assert sum(int(float(row["num_examples"])) for row in rows if row["round"] == "1") == 21


@pytest.mark.parametrize(
    "kept, difference",
    [
        (["blue", *LABELS], "began with (4), found 3, not in both 'blue'; choose another --output"),
        (sorted(LABELS)[::-1], "began with (3), found 3, in another order; choose another --outp"),
    ],
)
def test_other_labels_than_at_the_start_are_refused(config, kept, difference):
    folder = pathlib.Path(config.output_dir)
    folder.mkdir()
    (folder / "configuration.json").write_text(json.dumps(config.to_json()), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps({"labels": kept}))
    with pytest.raises(ConfigurationError) as error:
        _run(config)
    assert difference in str(error.value)


@pytest.mark.parametrize(
    "data, model, sentence",
    [
        ({"data_dir": "gone"}, {}, "--data_dir must be an existing folder, found 'gone'"),
        ({"eval_dir": "gone"}, {}, "--eval_dir must be an existing folder, found 'gone'"),
        ({}, {"weights": "gone"}, "--weights must be none, imagenet, a Keras weights file or"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(config, data, model, sentence):
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **data),
        model=dataclasses.replace(config.model, **model),
    )
    with pytest.raises(ConfigurationError) as error:
        _run(config)
    assert str(error.value).startswith(sentence)
    assert not pathlib.Path(config.output_dir).exists()


def test_a_full_disk_is_said_before_anything_is_made(config, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")(2**40, 2**40 - 2**20, 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ConfigurationError) as error:
        _run(config)
    folder = pathlib.Path(config.output_dir)
    assert str(error.value) == (
        "--output_dir must be on a disk with 200 MiB free, found 1 MiB at "
        f"'{folder.parent}'; make room or choose another folder"
    )
    assert not folder.exists()


def test_a_name_that_cannot_be_is_one_sentence(config):
    with pytest.raises(ConfigurationError, match="--output_dir must be a folder this user can wri"):
        _run(dataclasses.replace(config, output_dir="x" * 300))
