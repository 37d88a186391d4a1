"""Baselines side by side: kept when finished, ended when the run is."""

import concurrent.futures
import threading
import types

import pytest

from tff_retail.config import DataConfig, RunConfig
from tff_retail.program import baseline_job, baselines
from tff_retail.program.local_baselines import LocalBaselines
from tff_retail.program.pooled_training import Baseline
from tff_retail.program.run_directory import RunDirectory

CONFIG = RunConfig(data=DataConfig(data_dir="chain"), compare_central=True, compare_local=True)
TRAIN = {"north": 3, "上海": 9, "south": 5}


class _Examples:
    """In place of `PooledExamples`: as long as its parts together."""

    def __init__(self, loads):
        self._length = sum(load() for load in loads)

    def __len__(self):
        return self._length


@pytest.fixture
def trained(monkeypatch):
    """Takes the place of training; lists who was trained, and with which model."""
    jobs = []

    def train_pooled(model, first_weights, *, train, name, rounds, on_batch, on_round, **_):
        jobs.append((name, model))
        for _round in range(rounds):
            on_batch()
            on_round()
        return Baseline({"top_1": len(train) / 100, "loss": 1.0}, rounds)

    monkeypatch.setattr(baseline_job, "PooledExamples", _Examples)
    monkeypatch.setattr(baseline_job, "train_pooled", train_pooled)
    return jobs


@pytest.fixture
def directory(tmp_path):
    directory = RunDirectory(tmp_path / "run", CONFIG)
    yield directory
    directory.close()


def _train(directory, config=CONFIG, *, parallel=2, said=None, progress=None, models=None):
    models = iter(models or range(100))
    recogniser = types.SimpleNamespace(
        config=config, pipelines={"train": None}, trained_model=lambda: next(models)
    )
    counts = list(TRAIN.values())
    return baselines.train_baselines(
        config,
        LocalBaselines(recogniser, [], lambda number, split: counts[number], parallel),
        stores=TRAIN,
        measure_on=[2],
        rounds=2,
        directory=directory,
        say=(said if said is not None else []).append,
        on_progress=lambda *args: (progress if progress is not None else []).append(args),
    )


def test_central_and_each_store_alone(trained, directory):
    said, progress = [], []
    assert _train(directory, said=said, progress=progress) == {
        "central_accuracy": 0.17,
        "local_accuracy": {"north": 0.03, "上海": 0.09, "south": 0.05},
    }
    assert said == ["training 4 baselines of 2 rounds"]
    assert progress == [(done, 8) for done in range(1, 9)]


def test_what_was_not_asked_for_is_not_trained(trained, directory):
    config = RunConfig(data=CONFIG.data, compare_local=True)
    assert sorted(_train(directory, config)) == ["local_accuracy"]
    assert sorted(name for name, _ in trained) == [
        "baseline/north",
        "baseline/south",
        "baseline/上海",
    ]


def test_the_longest_begins_first(trained, directory):
    _train(directory, parallel=1)
    assert [name for name, _ in trained] == [
        "baseline/central",
        "baseline/上海",
        "baseline/south",
        "baseline/north",
    ]


def test_as_many_models_as_are_trained_at_the_same_time(trained, directory):
    _train(directory, parallel=2, models=["a", "b"])
    assert {model for _, model in trained} <= {"a", "b"}
    assert len(trained) == 4


def test_a_finished_one_is_not_trained_again(trained, directory):
    first = _train(directory)
    trained.clear()
    (directory.path / "baselines" / "local-00001.json").unlink()
    (directory.path / "baselines" / "local-00002.json").write_text('{"name": "sou')
    said, progress = [], []
    assert _train(directory, said=said, progress=progress) == first
    assert sorted(name for name, _ in trained) == ["baseline/south", "baseline/上海"]
    assert said == ["training 2 baselines of 2 rounds"]
    assert progress == [(done, 8) for done in range(5, 9)]
    trained.clear()
    assert _train(directory) == first
    assert trained == []


def test_an_error_ends_all(trained, directory, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no room")

    monkeypatch.setattr(baseline_job, "train_pooled", fail)
    with pytest.raises(OSError, match="no room"):
        _train(directory)


def test_an_interrupt_ends_those_at_work(trained, directory, monkeypatch):
    at_work, ended = threading.Barrier(3), threading.Semaphore(0)

    def train_forever(*arguments, on_batch, **options):
        at_work.wait(timeout=60)
        try:
            while True:
                on_batch()
        finally:
            ended.release()

    def interrupted(futures):
        at_work.wait(timeout=60)
        raise KeyboardInterrupt

    monkeypatch.setattr(baseline_job, "train_pooled", train_forever)
    monkeypatch.setattr(concurrent.futures, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _train(directory, parallel=2)
    assert ended.acquire(timeout=60)
    assert ended.acquire(timeout=60)
    assert not (directory.path / "baselines").exists()
