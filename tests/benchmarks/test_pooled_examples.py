import dataclasses

import numpy as np
import pytest

from benchmarks.contenders.pooled_examples import PooledExamples
from benchmarks.workloads import WORKLOADS, cohort, write_examples

_WORKLOAD = dataclasses.replace(WORKLOADS["smoke"], num_stores=6)


@pytest.fixture
def path(tmp_path):
    write_examples(_WORKLOAD, tmp_path / "examples.npz")
    return tmp_path / "examples.npz"


def test_a_round_has_the_pictures_of_its_cohort_in_batches(path):
    images, labels = PooledExamples(_WORKLOAD, path).batches(3)
    assert images.shape == (8, 10, 32, 32, 3)
    assert labels.shape == (8, 10)
    chosen = cohort(_WORKLOAD, 3)
    with np.load(path) as arrays:
        np.testing.assert_array_equal(images.reshape(4, 20, 32, 32, 3), arrays["images"][chosen])
        np.testing.assert_array_equal(labels.reshape(4, 20), arrays["labels"][chosen])


def test_the_heap_is_the_batches_one_after_the_other(path):
    examples = PooledExamples(_WORKLOAD, path)
    images, labels = examples(3)
    batched_images, batched_labels = examples.batches(3)
    assert images.shape == (80, 32, 32, 3)
    np.testing.assert_array_equal(images[:10], batched_images[0])
    np.testing.assert_array_equal(labels[70:], batched_labels[7])
