"""What makes a round fast changes no bit of it.

The plain form is TFF's own round form, as TFF compiles it, run by `Session.run` on a data set
written out: no loop rewritten, nothing kept in a thread, no pipeline but `tf.data`'s own.
"""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.config import LearningConfig, ModelConfig
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.loss import build_loss
from tff_retail.learning.metrics import build_metrics
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.round_form import compile_round_form

SIZE, NUM_LABELS, COUNT = 32, 3, 11
MODEL = ModelConfig(name="simple_cnn", image_size=SIZE, width_multiplier=0.25)
PIPELINE = ExamplePipeline(
    feature="image", shape=(SIZE, SIZE, 3), dtype="uint8", batch_size=4, epochs=2
)


@pytest.fixture(scope="module")
def examples():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    return Examples(images, generator.integers(0, NUM_LABELS, COUNT, np.int32), ("",) * COUNT)


@pytest.fixture(scope="module")
def weights():
    tf.keras.utils.set_random_seed(1)
    return build_keras_model(MODEL, NUM_LABELS).get_weights()


@pytest.fixture(scope="module", params=["momentum", "adam"])
def process(request, weights):
    learning = LearningConfig(client_optimizer=request.param, update_clip_norm=1.0)
    model = build_functional_model(
        lambda: build_keras_model(MODEL, NUM_LABELS),
        initial_weights=weights,
        loss=build_loss(learning, NUM_LABELS),
        input_spec=PIPELINE.element_spec(),
        metrics=build_metrics(NUM_LABELS),
    )
    return build_fed_avg(model, learning, rounds=3)


def _plain_batches(feeds):
    images, labels, order = feeds["features"], feeds["labels"], feeds["order"]
    positions = tf.data.Dataset.from_tensor_slices(order).flat_map(
        lambda epoch: tf.data.Dataset.from_tensor_slices(epoch).batch(PIPELINE.batch_size)
    )
    return positions.map(lambda at: ({"image": tf.gather(images, at)}, tf.gather(labels, at)))


def _run_plain(process, broadcast, feeds):
    form = tff.backends.mapreduce.get_map_reduce_form_for_computation(process.next)
    part = GraphPart.from_computation(tff.framework.serialize_computation(form.work))
    with tf.Graph().as_default() as graph:
        variant = tf.data.experimental.to_variant(_plain_batches(feeds))
        (data,) = [leaf.tensor for leaf in part.parameter if leaf.is_sequence]
        tf.import_graph_def(part.graph_def(), input_map={data: variant}, name="")
        names = [leaf.tensor for leaf in part.parameter if not leaf.is_sequence]
        with tf.compat.v1.Session(graph=graph) as session:
            if part.initialize_op:
                session.run(part.initialize_op)
            results = [leaf.tensor for leaf in part.result]
            return session.run(results, dict(zip(names, broadcast, strict=True)))


@pytest.mark.parametrize("has_own_core", [False, True])
def test_a_stores_work_has_the_bits_of_the_plain_form(process, weights, examples, has_own_core):
    feeds = PIPELINE.feeds(examples, seed=1, round_num=1, store="north")
    expected = _run_plain(process, weights, feeds)
    form = compile_round_form(process.initialize, process.next)
    session = PartSession(form["work"], [PIPELINE], device="", has_own_core=has_own_core)
    found = session(weights, [feeds])
    session.close()
    assert len(found) == len(expected) > len(weights)
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
