"""Updates that travel in few bits: how many, and the same sum over links as in one process."""

import numpy as np
import pytest
import tensorflow as tf

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tests.runtime.fake_fleet import FakeFleet, FakeLink
from tff_retail.config import LearningConfig, ModelConfig
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.functional_model import build_functional_model
from tff_retail.learning.loss import build_loss
from tff_retail.learning.metrics import build_metrics
from tff_retail.learning.models.keras_model import build_keras_model
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.round_form import compile_round_form
from tff_retail.runtime.store import WorkRequest, WorkResult

SIZE, NUM_LABELS, COUNT = 32, 3, 6
NAMES = ("east", "north", "south")
MODEL = ModelConfig(name="simple_cnn", image_size=SIZE)
PIPELINE = ExamplePipeline(feature="image", shape=(SIZE, SIZE, 3), dtype="uint8", batch_size=4)
# Shares of the model's bytes: what travels beside the update is the weight and the metrics.
MOST_UP = {"float16": 0.52, "bfloat16": 0.52, "int8": 0.27, "int4": 0.14}


@pytest.fixture(scope="module")
def weights():
    tf.keras.utils.set_random_seed(1)
    return build_keras_model(MODEL, NUM_LABELS).get_weights()


def _compile(weights, update_dtype, broadcast_dtype):
    learning = LearningConfig(update_dtype=update_dtype, broadcast_dtype=broadcast_dtype)
    model = build_functional_model(
        lambda: build_keras_model(MODEL, NUM_LABELS),
        initial_weights=weights,
        loss=build_loss(learning, NUM_LABELS),
        input_spec=PIPELINE.element_spec(),
        metrics=build_metrics(NUM_LABELS),
    )
    process = build_fed_avg(model, learning, rounds=3)
    return compile_round_form(process.initialize, process.next)


class _Store:
    """Trains on photographs of its own."""

    def __init__(self, name, session):
        self.name, self._session = name, session
        generator = np.random.default_rng(NAMES.index(name))
        images = generator.integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
        labels = generator.integers(0, NUM_LABELS, COUNT, np.int32)
        self._examples = Examples(images, labels, ("",) * COUNT)

    def run(self, request):
        feeds = PIPELINE.feeds(self._examples, seed=1, round_num=request.round_num, store=self.name)
        return WorkResult(self._session(request.broadcast, [feeds]), {}, 0.0)


@pytest.mark.parametrize(
    ("update_dtype", "broadcast_dtype"),
    [("float16", "bfloat16"), ("bfloat16", "float16"), ("int8", "float32"), ("int4", "float32")],
)
def test_the_sum_is_that_of_one_process_to_the_bit_and_few_bytes_travel(
    weights, tmp_path, update_dtype, broadcast_dtype
):
    form = _compile(weights, update_dtype, broadcast_dtype)
    session = PartSession(form["work"], [PIPELINE])
    stores = [_Store(name, session) for name in NAMES]
    request = WorkRequest("train", 1, 0, _broadcast(form))
    plain = PlainCollector(form, parallel_stores=1)
    expected = plain.collect(stores, request).total
    with FakeFleet(form, tmp_path) as fleet:
        links = [fleet.connect(FakeLink(store.name, fleet.service(store))) for store in stores]
        remote = RemoteCollector(
            form,
            submit=fleet.submit,
            deadline_s=600.0,
            needs_finite=True,
            report=lambda outputs: {},
            folder=tmp_path,
            max_waiting_bytes=10**6,
        )
        found = remote.collect([fleet.store(name) for name in NAMES], request).total
        remote.close()
    plain.close()
    session.close()
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    size = sum(weight.nbytes for weight in weights)
    assert (
        max(len(answer) for link in links for answer in link.answers) < MOST_UP[update_dtype] * size
    )
    down = max(sum(map(len, body)) for link in links for body in link.bodies)
    assert down < (1.02 if broadcast_dtype == "float32" else 0.52) * size


def _broadcast(form):
    first, prepare = PartSession(form.initialize), PartSession(form["prepare"])
    broadcast = prepare(first())
    first.close()
    prepare.close()
    return broadcast
