"""Tests of datasets.augmentation: shapes, reproducibility, and what each strength may change."""

import numpy as np
import pytest
import tensorflow as tf

from datasets import augmentation

_SIZE = 32


def _photographs(num_photographs: int = 6) -> np.ndarray:
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (num_photographs, _SIZE, _SIZE, 3), dtype=np.uint8)


def _augment(images: np.ndarray, strength: str, seed: tuple[int, int] = (1, 2)) -> np.ndarray:
    return augmentation.augment(
        tf.constant(images), strength=strength, seed=tf.constant(seed)
    ).numpy()


def test_none_returns_the_same_photographs():
    np.testing.assert_array_equal(_augment(_photographs(), "none"), _photographs())


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_each_photograph_changes_and_keeps_its_shape_and_type(strength):
    before, after = _photographs(), _augment(_photographs(), strength)
    assert (after.shape, after.dtype) == (before.shape, np.uint8)
    assert all((a != b).any() for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_photographs_of_one_batch_are_drawn_for_separately(strength):
    same = np.repeat(_photographs(1), 8, axis=0)
    assert len({photograph.tobytes() for photograph in _augment(same, strength)}) == 8


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_equal_seeds_give_equal_bytes_and_others_do_not(strength):
    first = _augment(_photographs(), strength, (7, 1))
    np.testing.assert_array_equal(first, _augment(_photographs(), strength, (7, 1)))
    assert (first != _augment(_photographs(), strength, (7, 2))).any()
    assert (first != _augment(_photographs(), strength, (8, 1))).any()


@pytest.mark.parametrize("strength", ["light", "strong"])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_a_pipeline_gives_the_same_bytes_each_time_with_a_partial_last_batch(strength, dtype):
    def read() -> list[np.ndarray]:
        dataset = tf.data.Dataset.from_tensor_slices(_photographs(7)).batch(3).enumerate()
        changed = dataset.map(
            lambda step, images: augmentation.augment(
                images,
                strength=strength,
                seed=tf.stack([tf.constant(5, dtype), tf.cast(step, dtype)]),
            ),
            num_parallel_calls=2,
            deterministic=True,
        )
        assert changed.element_spec.shape.as_list() == [None, _SIZE, _SIZE, 3]
        return list(changed.as_numpy_iterator())

    first, second = read(), read()
    assert [len(batch) for batch in first] == [3, 3, 1]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_uses_stateless_operations_alone():
    function = tf.function(lambda a: augmentation.augment(a, strength="strong", seed=[1, 2]))
    graph = function.get_concrete_function(tf.TensorSpec([None, _SIZE, _SIZE, 3], tf.uint8)).graph
    assert not [op.type for op in graph.get_operations() if op.op_def.is_stateful]


def test_light_mirrors_about_half_of_the_photographs():
    ramp = np.linspace(20, 220, _SIZE).astype(np.uint8)
    images = np.broadcast_to(ramp[None, None, :, None], (200, _SIZE, _SIZE, 3))
    after = _augment(images, "light").astype(int)
    mirrored = (after[:, :, -1, 0] < after[:, :, 0, 0]).all(axis=1)
    assert 70 <= mirrored.sum() <= 130


def test_light_cuts_nothing_out_and_keeps_grey_grey():
    after = _augment(np.full((50, _SIZE, _SIZE, 3), 128, np.uint8), "light")
    assert (after == after[:, :1, :1, :1]).all()
    # Mid-grey moves by the brightness alone: 0.08 of 255, rounded.
    assert 128 - 21 <= after.min() < 118 and 138 < after.max() <= 128 + 21


def test_strong_cuts_squares_out_of_at_most_two_fifths_of_the_side():
    after = _augment(np.full((50, _SIZE, _SIZE, 3), 255, np.uint8), "strong")
    is_cut = (after == 128).all(axis=3)
    assert is_cut.any(axis=2).sum(axis=1).max() == pytest.approx(0.4 * _SIZE, abs=2)
    assert is_cut.sum(axis=(1, 2)).max() <= (0.4 * _SIZE + 1) ** 2


def test_strong_keeps_a_colour_recognisable():
    red = np.zeros((100, _SIZE, _SIZE, 3), np.uint8)
    red[..., 0] = 200
    after = _augment(red, "strong").astype(int)
    assert (after[:, 0, 0, 0] >= after[:, 0, 0, 1:].max(axis=1)).all()


def test_an_unknown_strength_is_named():
    with pytest.raises(ValueError, match="one of none, light, strong, found 'wild'"):
        _augment(_photographs(), "wild")
