"""What a store trains on: each example once an epoch, in an order that derives from its seed."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from datasets import example_pipeline
from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples

PIPELINE = ExamplePipeline(
    feature="features", shape=(2,), dtype="float32", batch_size=4, epochs=3, augmentation="none"
)
PHOTOGRAPHS = ExamplePipeline(
    feature="image", shape=(8, 8, 3), dtype="uint8", batch_size=4, augmentation="strong"
)


def _examples(count):
    labels = np.arange(count, dtype=np.int32)
    features = np.stack([labels, -labels], axis=-1).astype(np.float32)
    return Examples(features, labels, tuple(map(str, labels)))


def _photographs(count):
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return Examples(images, np.arange(count, dtype=np.int32), tuple(map(str, range(count))))


def _batches(pipeline, examples, *, seed=1, round_num=1, store="north"):
    feeds = pipeline.feeds(examples, seed=seed, round_num=round_num, store=store)
    assert feeds.keys() == pipeline.input_specs().keys()
    for name, spec in pipeline.input_specs().items():
        assert feeds[name].dtype == spec.dtype.as_numpy_dtype
        assert spec.shape.is_compatible_with(feeds[name].shape)
    dataset = pipeline.build({name: tf.constant(value) for name, value in feeds.items()})
    return [(features[pipeline.feature].numpy(), labels.numpy()) for features, labels in dataset]


def _order(pipeline, examples, **position):
    return np.concatenate([labels for _, labels in _batches(pipeline, examples, **position)])


def test_each_epoch_has_each_example_once_and_its_last_batch_is_smaller():
    batches = _batches(PIPELINE, _examples(10))
    assert [len(labels) for _, labels in batches] == [4, 4, 2] * 3
    for features, labels in batches:
        np.testing.assert_array_equal(features, np.stack([labels, -labels], axis=-1))
    epochs = np.concatenate([labels for _, labels in batches]).reshape(3, 10)
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3  # an order of its own


def test_the_order_derives_from_seed_round_and_store():
    first = _order(PIPELINE, _examples(10))
    np.testing.assert_array_equal(_order(PIPELINE, _examples(10)), first)
    for other in ({"seed": 2}, {"round_num": 2}, {"store": "south"}):
        assert not np.array_equal(_order(PIPELINE, _examples(10), **other), first)


def test_evaluation_takes_them_in_order():
    in_order = dataclasses.replace(PIPELINE, is_shuffled=False, epochs=1)
    np.testing.assert_array_equal(_order(in_order, _examples(10)), range(10))


def test_photographs_are_augmented_as_seed_round_and_store_say():
    examples = _photographs(10)
    first = _batches(PHOTOGRAPHS, examples)
    plain = _batches(dataclasses.replace(PHOTOGRAPHS, augmentation="none"), examples)
    for (augmented, labels), (image, same_labels) in zip(first, plain, strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        np.testing.assert_array_equal(image, examples.features[labels])
        assert augmented.dtype == np.uint8
        assert not np.array_equal(augmented, image)
    for (left, _), (right, _) in zip(first, _batches(PHOTOGRAPHS, examples), strict=True):
        np.testing.assert_array_equal(left, right)


def test_batches_are_augmented_each_in_its_own_way():
    one = _photographs(1)
    same = Examples(np.repeat(one.features, 8, axis=0), np.zeros(8, np.int32), ("a",) * 8)
    (first, _), (second, _) = _batches(PHOTOGRAPHS, same)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("pipeline", [PIPELINE, PHOTOGRAPHS])
def test_the_elements_are_as_announced(pipeline):
    inputs = {
        name: tf.zeros([1 if size is None else size for size in spec.shape], spec.dtype)
        for name, spec in pipeline.input_specs().items()
    }
    assert pipeline.build(inputs).element_spec == pipeline.element_spec()


@pytest.mark.parametrize("count", [1, 3, 4, 9, 12])
@pytest.mark.parametrize("epochs", [1, 3, 6])
def test_both_ways_to_the_batches_give_the_same(monkeypatch, count, epochs):
    pipeline = dataclasses.replace(PIPELINE, epochs=epochs)
    at_once = _batches(pipeline, _examples(count))
    monkeypatch.setattr(example_pipeline, "_MAX_BYTES_AT_ONCE", 0)
    by_batch = _batches(pipeline, _examples(count))
    assert len(at_once) == len(by_batch) == epochs * -(-count // 4)
    for left, right in zip(at_once, by_batch, strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])


def test_a_store_without_examples_gives_no_batch():
    assert _batches(PIPELINE, _examples(0)) == []


def test_the_arrays_of_the_cache_are_not_copied():
    examples = _examples(5)
    feeds = PIPELINE.feeds(examples, seed=1, round_num=1, store="north")
    assert feeds["features"] is examples.features
    assert feeds["labels"] is examples.labels
