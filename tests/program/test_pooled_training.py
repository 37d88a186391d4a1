"""The baseline's training: the same model, in one place, as many epochs, chosen the same way."""

import numpy as np
import pytest
import tensorflow as tf

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.config import LearningConfig
from tff_retail.program.pooled_training import PooledExamples, train_pooled

PIPELINE = ExamplePipeline(feature="features", shape=(2,), dtype="float32", batch_size=4, epochs=2)
FIRST = [np.zeros((2, 3), np.float32), np.zeros(3, np.float32)]
LEARNING = LearningConfig(client_optimizer="sgd", client_learning_rate=0.1, batch_size=4)


def _examples(count, seed=0):
    """Three clouds on a circle, one a label."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(count) % 3).astype(np.int32)
    angles = labels * (2 * np.pi / 3)
    features = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    features = (features + generator.normal(0, 0.1, (count, 2))).astype(np.float32)
    return Examples(features, labels, tuple(map(str, range(count))))


def _pooled(*sizes):
    return PooledExamples([lambda part=part: part for part in map(_examples, sizes)])


def _model():
    inputs = {"features": tf.keras.Input((2,), name="features")}
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inputs["features"]))


def _train(model=None, **settings):
    defaults = {
        "train": _pooled(10, 7),
        "validation": _pooled(9),
        "pipeline": PIPELINE,
        "learning": LEARNING,
        "rounds": 2,
        "eval_every": 1,
        "seed": 1,
        "name": "central",
    }
    return train_pooled(model or _model(), FIRST, **{**defaults, **settings})


def test_stores_are_taken_as_one():
    parts = [_examples(3, seed=1), _examples(1, seed=2), _examples(5, seed=3)]
    loaded = []

    def load(number):
        loaded.append(number)
        return parts[number]

    pooled = PooledExamples([lambda number=number: load(number) for number in range(3)])
    loaded.clear()
    features = np.concatenate([part.features for part in parts])
    assert len(pooled) == 9
    np.testing.assert_array_equal(pooled.labels, np.concatenate([part.labels for part in parts]))
    for positions in ([0], [8, 0, 3, 3, 2], list(range(9)), []):
        chosen = np.array(positions, int)
        np.testing.assert_array_equal(pooled.take(chosen), features[chosen])
    assert sorted(loaded) == [0, 1, 2]  # each mapped once, and none before it was asked for


def test_many_stores_are_not_all_mapped_at_once():
    is_open = set()

    class Mapped(Examples):
        def __del__(self):
            is_open.discard(self.keys)

    def load(number):
        is_open.add((str(number),))
        part = _examples(1)
        return Mapped(part.features, part.labels, (str(number),))

    pooled = PooledExamples([lambda number=number: load(number) for number in range(200)])
    pooled.take(np.arange(200))
    assert len(is_open) <= 64


def test_it_learns_and_says_when_it_was_best():
    rounds = []
    baseline = _train(rounds=3, on_round=lambda: rounds.append(1))
    assert baseline.metrics["top_1"] == 1.0
    assert baseline.metrics["loss"] < np.log(3)
    assert baseline.round_num == 3
    assert len(rounds) == 3
    assert [round_num for round_num, _ in baseline.curve] == [1, 2, 3]
    assert baseline.curve[-1] == (3, 1.0)


def test_one_step_is_the_optimisers():
    """Gradient descent from zero, on all examples in one batch, by hand."""
    examples, model = _examples(6), _model()
    pipeline = ExamplePipeline(feature="features", shape=(2,), dtype="float32", batch_size=6)
    _train(model, train=PooledExamples([lambda: examples]), pipeline=pipeline, rounds=1)
    errors = np.full((6, 3), 1 / 3) - np.eye(3)[examples.labels]
    np.testing.assert_allclose(
        model.get_weights()[0], -0.1 * examples.features.T @ errors / 6, rtol=1e-4, atol=1e-6
    )


def test_the_same_name_gives_the_same_numbers_even_with_a_used_model():
    model = _model()
    first = _train(model)
    assert _train(model) == first
    assert _train(_model()) == first
    assert _train(_model(), name="store 1").metrics["loss"] != first.metrics["loss"]


def test_it_is_evaluated_as_often_as_the_run():
    # A rate that overshoots: what comes later is worse.
    wild = LearningConfig(client_optimizer="sgd", client_learning_rate=1000.0)
    found = [_train(learning=wild, rounds=5, eval_every=2, seed=seed) for seed in (1, 2)]
    assert {baseline.round_num for baseline in found} <= {2, 4, 5}
    assert [[number for number, _ in baseline.curve] for baseline in found] == [[2, 4, 5]] * 2


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_each_client_optimiser_has_its_like(optimizer):
    learning = LearningConfig(client_optimizer=optimizer, weight_decay=0.01)
    model = _model()
    _train(model, learning=learning, rounds=1)
    assert float(model.optimizer.learning_rate) == pytest.approx(learning.client_rate)
    assert model.optimizer.weight_decay == 0.01
    assert all(np.any(array) for array in model.get_weights())


def test_the_rate_follows_the_schedule():
    learning = LearningConfig(
        client_optimizer="sgd", client_learning_rate=0.1, learning_rate_schedule="cosine"
    )
    model, rates = _model(), []
    _train(
        model,
        learning=learning,
        rounds=3,
        on_round=lambda: rates.append(float(model.optimizer.learning_rate)),
    )
    assert rates[0] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]


def test_it_can_be_stopped_at_any_batch():
    class Stop(Exception):
        pass

    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise Stop

    with pytest.raises(Stop):
        _train(on_batch=check)
    assert len(calls) == 3
