"""Stores that are connected without a network: real executors behind links that are none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import approved_work, executor_service, kept_results, round_form, work_desk
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.remote_question import Questions
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.store import WorkRequest, WorkResult
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.loop_thread import LoopThread


def compile_scaled_sum() -> round_form.RoundForm:
    """`state * sum(examples)` of each store, summed; the state is one float32."""

    @tff.tensorflow.computation
    def first() -> tf.Tensor:
        return tf.constant(1.0)

    @tff.federated_computation
    def initialize() -> tff.Value:
        return tff.federated_eval(first, tff.SERVER)

    @tff.tensorflow.computation(tff.SequenceType(np.float32), np.float32)
    def scaled_sum(examples: tf.data.Dataset, scale: tf.Tensor) -> tf.Tensor:
        return examples.reduce(0.0, lambda total, example: total + example * scale)

    @tff.federated_computation(
        tff.FederatedType(np.float32, tff.SERVER),
        tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
    )
    def next_computation(state: tff.Value, examples: tff.Value) -> tuple[tff.Value, tff.Value]:
        scale = tff.federated_broadcast(state)
        sums = tff.federated_map(scaled_sum, (examples, scale))
        return state, tff.federated_sum(sums)

    return round_form.compile_round_form(initialize, next_computation)


class ScaledSumStore:
    """Does what the graph of `compile_scaled_sum` does, and counts how often."""

    def __init__(self, name: str, total: np.float32) -> None:
        self.name, self.total, self.num_runs = name, total, 0

    def run(self, request: WorkRequest) -> WorkResult:
        self.num_runs += 1
        (scale,) = request.broadcast
        return WorkResult([np.asarray(np.float32(self.total * scale))], {}, 0.0)


class FakeLink:
    """A link to an executor in this process.

    Args:
      name: of the store.
      service: answers the calls.
      before: awaited before each call with its method; raises what the call is to raise.
    """

    manifest, left_because = "agreed", ""

    def __init__(self, name: str, service, before: Callable | None = None) -> None:
        self.name, self.examples = name, {"train": 1}
        self.service, self._before = service, before
        self.methods: list[str] = []
        self.bodies: list[Sequence] = []
        self.answers: list[bytes] = []

    @contextlib.asynccontextmanager
    async def call(self, method: str, body: Sequence) -> AsyncIterator[memoryview]:
        self.methods.append(method)
        self.bodies.append(body)
        if self._before is not None:
            await self._before(method)
        request = b"".join(body)
        try:
            answer = await asyncio.to_thread(self.service.handle, method, request, caller=1)
        except ExecutorError as error:
            raise CallFailed(error.code, str(error)) from error
        self.answers.append(b"".join(answer))
        yield memoryview(self.answers[-1])


class FakeFleet:
    """Headquarters' side of some stores, on a loop of its own; a context manager."""

    def __init__(self, form: round_form.RoundForm, folder, *, rejoin_wait_s: float = 0.0) -> None:
        self._form, self._folder = form, folder
        self._rejoin_wait_s = rejoin_wait_s
        self.connected = ConnectedStores()
        self.questions = {"train": Questions(form["work"], split="train", run="run")}
        self._kept: list[kept_results.KeptResults] = []
        self._loop = LoopThread("fake fleet")

    def submit(self, coroutine):
        return self._loop.submit(coroutine)

    def service(self, store) -> executor_service.ExecutorService:
        """An executor that has `store` do the work of the form."""
        kept = kept_results.KeptResults(self._folder / store.name, max_bytes=10**6, say=print)
        self._kept.append(kept)
        desk = work_desk.WorkDesk(
            store,
            kept,
            stop_work=lambda: None,
            on_done=lambda request, result: None,
            on_failed=lambda request, error, sentence: None,
        )
        service = executor_service.ExecutorService(desk)
        service.approve([approved_work.ApprovedWork("train", "train", self._form["work"])])
        return service

    def connect(self, link):
        async def add():
            self.connected.add(link)

        self.submit(add()).result()
        return link

    def store(
        self, name: str, revive: Callable | None = None, is_member: bool = True
    ) -> RemoteStore:
        return RemoteStore(
            name,
            self.connected,
            self.questions,
            submit=self.submit,
            rejoin_wait_s=self._rejoin_wait_s,
            is_member=lambda name: is_member,
            revive=revive,
        )

    def __enter__(self) -> "FakeFleet":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()
        for kept in self._kept:
            kept.close()
