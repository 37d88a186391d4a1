"""Stores that answer headquarters' executor calls over real links, with whatever a test wants."""

import asyncio
import collections
import functools

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tests.integration.link_stores import TIMEOUT_S
from tff_retail.config import LearningConfig
from tff_retail.learning.fed_avg import build_fed_avg
from tff_retail.learning.loss import build_loss
from tff_retail.learning.metrics import build_metrics
from tff_retail.program.update_bounds import UpdateBounds
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.kept_results import KeptResults
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.remote_collector import RemoteCollector
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.round_form import RoundForm, compile_round_form
from tff_retail.runtime.store import WorkRequest, WorkResult
from tff_retail.runtime.work_desk import WorkDesk
from tff_retail.transport.link_faults import CallFailed

_NUM_LABELS = 3


def compile_averaging(learning: LearningConfig) -> RoundForm:
    """Federated averaging of a model `features [2] -> logits [3]`."""

    def keras_model():
        features = tf.keras.Input((2,), name="features")
        logits = tf.keras.layers.Dense(_NUM_LABELS, kernel_initializer="zeros")(features)
        return tf.keras.Model({"features": features}, logits)

    spec = (
        collections.OrderedDict(features=tf.TensorSpec((None, 2), tf.float32)),
        tf.TensorSpec((None,), tf.int32),
    )
    model = tff.learning.models.functional_model_from_keras(
        keras_model, build_loss(learning, _NUM_LABELS), spec, build_metrics(_NUM_LABELS)
    )
    process = build_fed_avg(model, learning, rounds=3)
    return compile_round_form(process.initialize, process.next)


class _Trainer:
    """Gives what the graph of a round gives, as `change` leaves it."""

    def __init__(self, name, form, change=lambda leaves: None):
        self.name, self._paths = name, [leaf.path for leaf in form["work"].result]
        self._shapes = [(leaf.shape, leaf.dtype) for leaf in form["work"].result]
        self._change = change

    def run(self, request):
        del request
        leaves = {
            path: np.full(shape, 0.125, dtype) if path.startswith("0/1") else np.ones(shape, dtype)
            for path, (shape, dtype) in zip(self._paths, self._shapes, strict=True)
        }
        self._change(leaves)
        return WorkResult(list(leaves.values()), {}, 0.0)


class HostileChain:
    """Headquarters and stores that answer its executor calls as they like.

    Args:
      around: servers and stores that end with the test.
      form: of the rounds.
      learning: what the form was made of.
      folder: for what stores keep.
    """

    def __init__(self, around, form, learning, folder):
        self._around, self._form, self._folder = around, form, folder
        self._learning = learning
        self._num_stores = 0
        self.headquarters = around.headquarters(run="run-7")
        self.connected = ConnectedStores()
        self._questions = {"train": Questions(form["work"], split="train", run="run")}
        self._broadcast = _first_broadcast(form)

    def join(self, name, change=lambda leaves: None, answer=lambda answer: answer):
        """A store, ready to train; `change` is of its leaves, `answer` of the bytes it sends."""
        tls = self._around.chain.store_tls(name)
        store = self._around.store(self.headquarters.address, tls)
        store.handler.call = functools.partial(self._call, self._service(name, change), answer)
        link = self.headquarters.next_link()
        self.headquarters.do(link.send_manifest(b"signed", {}))
        self.headquarters.do(self._add(link))
        return link

    def collect(self, *names, deadline_s=TIMEOUT_S):
        """What a round over these stores gives."""
        collector = RemoteCollector(
            self._form,
            submit=self.headquarters.server.submit,
            deadline_s=deadline_s,
            needs_finite=True,
            check=UpdateBounds.of(self._form, self._learning),
            folder=self._folder,
        )
        stores = [
            RemoteStore(
                name,
                self.connected,
                self._questions,
                submit=self.headquarters.server.submit,
                rejoin_wait_s=0.0,
            )
            for name in names
        ]
        try:
            return collector.collect(stores, WorkRequest("train", 1, 7, self._broadcast))
        finally:
            collector.close()

    def _service(self, name, change):
        self._num_stores += 1
        folder = self._folder / f"{self._num_stores}"
        desk = WorkDesk(
            _Trainer(name, self._form, change),
            KeptResults(folder, max_bytes=10**6, say=print),
            stop_work=lambda: None,
            on_done=lambda request, result: None,
            on_failed=lambda request, error, sentence: None,
        )
        service = ExecutorService(desk)
        service.approve([ApprovedWork("train", "train", self._form["work"])])
        return service

    async def _call(self, service, answer, method, body):
        try:
            found = await asyncio.to_thread(service.handle, method, bytes(body), caller=1)
        except ExecutorError as error:
            raise CallFailed(error.code, str(error)) from error
        return [answer(b"".join(found))] if method == "Compute" else found

    async def _add(self, link):
        self.connected.add(link)


def _first_broadcast(form):
    one_round = FederatedRound(form, PlainCollector(form, parallel_stores=1))
    try:
        return one_round.broadcast(one_round.initial_state())
    finally:
        one_round.close()
