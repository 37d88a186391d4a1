"""A data set that ends when time is up: by a clock that the test moves."""

import math
import time

import numpy as np
import pytest
import tensorflow as tf

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.program import timed_pipeline
from tff_retail.program.timed_pipeline import DEADLINE, TimedPipeline

EXAMPLES = Examples(
    np.arange(10, dtype=np.float32)[:, None], np.arange(10, dtype=np.int32), ("",) * 10
)


def _labels(pipeline, feeds) -> list[list[int]]:
    """The labels of each batch."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        inputs = {
            name: tf.compat.v1.placeholder(spec.dtype, spec.shape)
            for name, spec in pipeline.input_specs().items()
        }
        iterator = tf.compat.v1.data.make_initializable_iterator(pipeline.build(inputs))
        _, labels = iterator.get_next()
        session.run(iterator.initializer, {inputs[name]: feeds[name] for name in inputs})
        found = []
        while True:
            try:
                found.append(session.run(labels).tolist())
            except tf.errors.OutOfRangeError:
                return found


@pytest.fixture(params=[2, 6])
def pipeline(request):
    """Its batches are made all at once, or one by one."""
    return ExamplePipeline(
        feature="features", shape=(1,), dtype="float32", batch_size=4, epochs=request.param
    )


@pytest.mark.parametrize("deadline_s, num_batches", [(0.0, 1), (3.0, 3), (math.inf, None)])
def test_batches_end_with_the_time(pipeline, monkeypatch, deadline_s, num_batches):
    """The clock moves by a second with each look at it."""
    clock = iter(np.arange(100.0))

    def timestamp():
        return tf.numpy_function(clock.__next__, [], tf.float64)

    monkeypatch.setattr(timed_pipeline.tf, "timestamp", timestamp)
    feeds = pipeline.feeds(EXAMPLES, seed=1, round_num=1, store="north")
    everything = _labels(pipeline, feeds)
    assert len(everything) == 3 * pipeline.epochs
    timed = TimedPipeline(pipeline)
    found = _labels(timed, {**feeds, DEADLINE: np.array(deadline_s)})
    assert found == everything[:num_batches]


def test_the_clock_is_that_of_now(pipeline):
    feeds = pipeline.feeds(EXAMPLES, seed=1, round_num=1, store="north")
    timed = TimedPipeline(pipeline)
    hour_s = 3600.0
    past = {**feeds, DEADLINE: np.array(time.time() - hour_s)}
    future = {**feeds, DEADLINE: np.array(time.time() + hour_s)}
    assert (len(_labels(timed, past)), len(_labels(timed, future))) == (1, 3 * pipeline.epochs)
