"""A store on a machine of its own, asked over its link as a TFF remote executor.

The calls of a piece of work, of which `work` is named once for each connection:

    GetExecutor; CreateValue(work://…)
    CreateValue(broadcast), CreateValue(store://…), CreateStruct, CreateCall, Compute, Dispose
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import executor_pb2

from tff_retail.privacy.rule_meaning import known_rule, rule_meaning
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.remote_question import Question, Questions
from tff_retail.runtime.result_leaves import result_leaves
from tff_retail.runtime.store import StoreFailed, WorkRequest, WorkResult
from tff_retail.runtime.value_decoding import MalformedValue
from tff_retail.runtime.value_encoding import Buffer, executor_prefix
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.store_link import StoreLink

_M = TypeVar("_M", bound=Message)

# What a store answers whose executor was started anew: its values are gone, and are made again.
_GONE = tuple(
    status.value[0]
    for status in (
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNAVAILABLE,
    )
)
# An executor that crashes at a piece of work twice would crash again.
_MAX_TRIES = 2


@dataclasses.dataclass
class _Session:
    """An executor at the store, and what was made in it to be used again."""

    link: StoreLink
    executor: executor_pb2.ExecutorId
    works: dict[bytes, executor_pb2.ValueRef]


class RemoteStore:
    """A `Store` that asks its link.

    Args:
      name: of the store.
      connected: where its link is found, again and again where it is lost.
      questions: by role.
      submit: runs a coroutine on the loop of the link server.
      rejoin_wait_s: how long a lost connection is waited for in mid-work, or a lost executor.
      is_member: whether a store of that name may connect at all; who was revoked is not waited for.
      revive: awaited where the store's executor was started anew; returns when it can work again.
    """

    def __init__(
        self,
        name: str,
        connected: ConnectedStores,
        questions: Mapping[str, Questions],
        *,
        submit: Callable[[Coroutine[Any, Any, Any]], Future[Any]],
        rejoin_wait_s: float,
        is_member: Callable[[str], bool] = lambda name: True,
        revive: Callable[[StoreLink], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._connected = connected
        self._questions = questions
        self._submit = submit
        self._rejoin_wait_s = rejoin_wait_s
        self._is_member = is_member
        self._revive = revive
        self._session: _Session | None = None
        self._tidying: set[asyncio.Task[None]] = set()

    @property
    def tells_of_itself(self) -> bool:
        """Whether the store is there and its policy lets it report on itself."""
        link = self._connected.find(self.name)
        return link is not None and bool(link.examples)

    def question(self, request: WorkRequest) -> Question:
        """What `request` asks, serialised once for all stores.

        Raises:
          StoreFailed: stores know no such role.
        """
        if request.role not in self._questions:
            raise StoreFailed(f"{self.name}: it knows no role {request.role!r}")
        return self._questions[request.role].question(request)

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`; not to be called on the loop."""
        started = time.perf_counter()
        question = self.question(request)

        async def ask() -> list[np.ndarray]:
            async with self.answer(question) as answer:
                return [leaf.copy() for leaf in self.leaves(question, answer)]

        outputs = self._submit(ask()).result()
        return WorkResult(outputs, {}, time.perf_counter() - started)

    def leaves(self, question: Question, answer: memoryview) -> list[np.ndarray]:
        """The leaves of an answer, which refer to its bytes.

        Raises:
          StoreFailed: it is not what `work` gives.
        """
        try:
            return result_leaves(answer, question.result)
        except MalformedValue as error:
            raise StoreFailed(f"{self.name}: {error}", code="wrong_form") from error

    @contextlib.asynccontextmanager
    async def answer(self, question: Question) -> AsyncIterator[memoryview]:
        """The serialised `ComputeResponse`, which is valid within the context.

        A connection that is lost is waited for: the store gives the result it had, if any.

        Raises:
          StoreFailed: the store can't answer, is not there, or does not come back in time.
        """
        lost, tries, why = None, 0, ""
        wait_s = self._rejoin_wait_s if self._connected.is_resting(self.name) else 0.0
        while True:
            link = await self._connected.link(self.name, instead_of=lost, within_s=wait_s)
            if link is None:
                code = known_rule(why) if why else "connection_lost"
                raise StoreFailed(f"{self.name}: {why or _absence(lost)}", code=code)
            has_answer = False
            try:
                async with self._ask(link, question) as answer:
                    has_answer = True
                    yield answer
                return
            except LinkLost:
                if has_answer:
                    raise
                lost, why = link, ""
                wait_s = self._rejoin_wait_s if self._is_member(self.name) else 0.0
            except CallFailed as failure:
                tries, why = tries + 1, rule_meaning(failure.reason)
                if has_answer or failure.code not in _GONE or tries == _MAX_TRIES:
                    raise StoreFailed(f"{self.name}: {why}", code=known_rule(why)) from failure
                await self._wait_for_executor(link)

    async def _wait_for_executor(self, link: StoreLink) -> None:
        """Returns when a lost executor is there again, or may be; the next call will show."""
        if self._revive is not None:
            with contextlib.suppress(LinkLost, TimeoutError):
                async with asyncio.timeout(self._rejoin_wait_s):
                    await self._revive(link)

    @contextlib.asynccontextmanager
    async def _ask(self, link: StoreLink, question: Question) -> AsyncIterator[memoryview]:
        session: _Session | None = None
        made: list[executor_pb2.ValueRef] = []
        is_done = False
        try:
            session = await self._open(link)
            call = await self._create_call(session, question, made)
            request = executor_pb2.ComputeRequest(executor=session.executor, value_ref=call)
            async with link.call("Compute", [request.SerializeToString()]) as answer:
                yield answer
            is_done = True
        finally:
            self._tidy(session, made if is_done else None)

    async def _open(self, link: StoreLink) -> _Session:
        if self._session is None or self._session.link is not link:
            request = executor_pb2.GetExecutorRequest()
            opened = await self._call(
                link, "GetExecutor", request, executor_pb2.GetExecutorResponse
            )
            self._session = _Session(link, opened.executor, {})
        return self._session

    async def _create_call(
        self, session: _Session, question: Question, made: list[executor_pb2.ValueRef]
    ) -> executor_pb2.ValueRef:
        if question.work not in session.works:
            session.works[question.work] = await self._create(session, [question.work])
        # Together: a round trip less, and the eight calls are most of a small model's round.
        values = ([question.data], question.broadcast)
        made += await asyncio.gather(*(self._create(session, value) for value in values))
        elements = [executor_pb2.CreateStructRequest.Element(value_ref=ref) for ref in made]
        struct = await self._call(
            session.link,
            "CreateStruct",
            executor_pb2.CreateStructRequest(executor=session.executor, element=elements),
            executor_pb2.CreateStructResponse,
        )
        made.append(struct.value_ref)
        call = await self._call(
            session.link,
            "CreateCall",
            executor_pb2.CreateCallRequest(
                executor=session.executor,
                function_ref=session.works[question.work],
                argument_ref=struct.value_ref,
            ),
            executor_pb2.CreateCallResponse,
        )
        made.append(call.value_ref)
        return call.value_ref

    async def _create(self, session: _Session, value: Sequence[Buffer]) -> executor_pb2.ValueRef:
        body = [*executor_prefix(session.executor.id), *value]
        async with session.link.call("CreateValue", body) as answer:
            return self._parsed(answer, executor_pb2.CreateValueResponse).value_ref

    async def _call(self, link: StoreLink, method: str, request: Message, answers: type[_M]) -> _M:
        async with link.call(method, [request.SerializeToString()]) as answer:
            return self._parsed(answer, answers)

    def _parsed(self, answer: memoryview, kind: type[_M]) -> _M:
        try:
            return kind.FromString(bytes(answer))
        except DecodeError as error:
            sentence = f"{self.name}: its answer must be a {kind.__name__}"
            raise StoreFailed(sentence, code="wrong_form") from error

    def _tidy(
        self, session: _Session | None, values: Sequence[executor_pb2.ValueRef] | None
    ) -> None:
        """Lets the store forget values, beside what comes next; the whole executor for None."""
        if session is None:
            return
        if values is None and self._session is session:
            self._session = None
        task = asyncio.get_running_loop().create_task(self._forget(session, values))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    async def _forget(
        self, session: _Session, values: Sequence[executor_pb2.ValueRef] | None
    ) -> None:
        executor = session.executor
        # A store that can't be told forgets when its connection ends.
        with contextlib.suppress(CallFailed, LinkLost, StoreFailed):
            if values is None:
                everything = executor_pb2.DisposeExecutorRequest(executor=executor)
                answers = executor_pb2.DisposeExecutorResponse
                await self._call(session.link, "DisposeExecutor", everything, answers)
            else:
                some = executor_pb2.DisposeRequest(executor=executor, value_ref=values)
                await self._call(session.link, "Dispose", some, executor_pb2.DisposeResponse)


def _absence(lost: StoreLink | None) -> str:
    """Why a store is not there, of which a link was lost or that had none."""
    if lost is None:
        return "it is not connected"
    return lost.left_because or "its connection was lost"
