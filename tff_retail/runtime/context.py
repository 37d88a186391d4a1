"""A TFF context that runs computations on the round form, in this process.

Installed with `tff.framework.set_default_context`, it makes `process.initialize()` and
`process.next(state, stores)` work unchanged, without TFF's `worker_binary`.
"""

import itertools
import textwrap
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime.dataset_graph import DatasetGraph, serialize_dataset
from tff_retail.runtime.federated_round import Collector, FederatedRound
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.round_form import RoundForm, compile_part, compile_round_form
from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest, WorkResult
from tff_retail.runtime.store_in_round import StoreInRound
from tff_retail.runtime.tensorflow_settings import is_cpu, parallel_stores_at_end
from tff_retail.runtime.typed_leaves import leaf_types, leaves_of, value_of

_WHAT_RUNS = (
    "This context runs TensorFlow computations, values at the server that need no argument, and "
    "rounds of a process"
)


class RoundFormContext(tff.framework.SyncContext):
    """Runs TFF computations in this process; from several threads if need be.

    A learning process's `next` takes a list with one entry a store: a `tf.data.Dataset`, a `Store`,
    or a `StoreInRound` that names one of `stores`.

    Args:
      parallel_stores: stores trained side by side.
      devices: what they are spread over, such as `['/GPU:0', '/GPU:1']`; '' leaves the choice to
        TensorFlow.
      stores: what a `StoreInRound` can name: each a `Store` or a `tf.data.Dataset`.
      roles: what a `Store` calls a round, by the digest of the round's `work`; see
        `RoundForm.digests`. A round that is not in it is the role `train`.
      seed: of the randomness of a `Store`'s work.
      make_collector: gives what asks the stores of a round form; None for one that has them work
        in this process.
      min_results: results that a round needs; None for one of every store.
    """

    def __init__(
        self,
        *,
        parallel_stores: int = 1,
        devices: Sequence[str] = ("",),
        stores: Mapping[str, Store | tf.data.Dataset] | None = None,
        roles: Mapping[str, str] | None = None,
        seed: int = 0,
        make_collector: Callable[[RoundForm], Collector] | None = None,
        min_results: int | None = None,
    ) -> None:
        self._parallel_stores = parallel_stores
        self._make_collector = make_collector or self._collector_here
        self._min_results = min_results
        self._devices = tuple(devices)
        self._stores = dict(stores or {})
        self._roles = dict(roles or {})
        self._seed = seed
        self._lock = threading.Lock()
        self._compiled: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def invoke(self, comp: tff.framework.ConcreteComputation, arg: Any) -> Any:
        """Runs `comp`; see `tff.framework.SyncContext.invoke`.

        Raises:
          TypeError: the computation is none that this context runs, or `arg` is not of its type.
          StoreFailed: a store could not do its work.
        """
        with self._lock:
            run = self._compiled.get(comp)
            if run is None:
                run = self._compiled[comp] = self._compile(comp)
        return value_of(run(arg), comp.type_signature.result)

    def _compile(self, comp: tff.framework.ConcreteComputation) -> "_LocalCall | _Rounds":
        signature = comp.type_signature
        try:
            if _is_tensorflow(comp):
                return _LocalCall(compile_part(comp), signature)
            if signature.parameter is None:
                return _LocalCall(_compile_value(comp), signature)
            form = compile_next(comp)
        except TypeError as error:
            found = textwrap.shorten(str(signature), 200)
            raise TypeError(f"{_WHAT_RUNS}, found {found}. {error}") from error
        role = self._roles.get(form["work"].digest, "train")
        return _Rounds(
            form,
            signature,
            self._make_collector(form),
            parallel_stores=self._parallel_stores,
            devices=self._devices,
            stores=self._stores,
            role=role,
            seed=self._seed,
            min_results=self._min_results,
        )

    def _collector_here(self, form: RoundForm) -> Collector:
        return PlainCollector(
            form,
            parallel_stores=self._parallel_stores,
            parallel_at_end=parallel_stores_at_end(self._parallel_stores, self._devices),
        )


def install_context(**arguments: Any) -> RoundFormContext:
    """Makes `RoundFormContext(**arguments)` TFF's default context of this thread."""
    context = RoundFormContext(**arguments)
    tff.framework.set_default_context(context)
    return context


class _LocalCall:
    """A computation that needs no store."""

    def __init__(self, part: GraphPart, signature: tff.FunctionType) -> None:
        if any(leaf.is_sequence for leaf in part.result):
            raise TypeError("A result must be of tensors, found a data set.")
        self._parameter = signature.parameter
        self._session = PartSession(part, _pipelines(signature.parameter), device="")

    def __call__(self, arg: Any) -> list[np.ndarray]:
        if self._parameter is None:
            return self._session()
        return self._session(*_split(arg, self._parameter))


class _DatasetStore:
    """A store that is no more than its data: a `tf.data.Dataset`, or a structure of tensors."""

    def __init__(self, name: str, value: Any, data_type: tff.Type, sessions: SessionPool) -> None:
        self.name = name
        self._tensors, self._data = _split(value, data_type)
        self._sessions = sessions

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`."""
        with self._sessions.session() as session:
            outputs = session([*self._tensors, *request.broadcast], self._data)
        return WorkResult(outputs, {}, 0.0)


class _Rounds:
    """A compiled `next` of a process."""

    def __init__(
        self,
        form: RoundForm,
        signature: tff.FunctionType,
        collector: Collector,
        *,
        parallel_stores: int,
        devices: Sequence[str],
        stores: Mapping[str, Store | tf.data.Dataset],
        role: str,
        seed: int,
        min_results: int | None,
    ) -> None:
        self._work = form["work"]
        self._state_type, self._data_type = (t.member for t in signature.parameter)
        self._round = FederatedRound(form, collector)
        self._have_own_cores = parallel_stores > 1 and is_cpu(devices)
        self._devices = devices
        self._sessions = self._make_sessions()
        self._stores = stores
        self._role = role
        self._seed = seed
        self._min_results = min_results
        self._round_nums = itertools.count(1)

    def __call__(self, arg: Any) -> list[np.ndarray]:
        state = list(leaves_of(arg[0], self._state_type))
        clients = list(arg[1])
        round_num = next(self._round_nums)
        for client in clients:
            if isinstance(client, StoreInRound):
                round_num = client.round_num
        stores = [self._store(position, client) for position, client in enumerate(clients)]
        request = WorkRequest(self._role, round_num, self._seed, self._round.broadcast(state))
        try:
            collection = self._round.collect(stores, request)
        except BaseException:
            self._sessions.close()  # ends the work of the other stores
            self._sessions = self._make_sessions()
            raise
        failures = [outcome.failure for outcome in collection.outcomes if outcome.failure]
        needed = len(stores) if self._min_results is None else self._min_results
        if failures and collection.num_results < needed:
            raise StoreFailed("; ".join(failures))
        result = self._round.update(state, collection)
        return [*result.state, *result.metrics.values()]

    def _store(self, position: int, client: Any) -> Store:
        name = f"store {position}"
        if isinstance(client, StoreInRound):
            name = client.name
            if name not in self._stores:
                raise TypeError(f"The context must have the stores of a round, found no {name!r}.")
            client = self._stores[name]
        if isinstance(client, Store):
            return client
        return _DatasetStore(name, client, self._data_type, self._sessions)

    def _make_sessions(self) -> SessionPool:
        def make(device: str) -> PartSession:
            return PartSession(
                self._work,
                _pipelines(self._data_type),
                device=device,
                has_own_core=self._have_own_cores,
            )

        return SessionPool(make, self._devices)


def _is_tensorflow(comp: tff.framework.ConcreteComputation) -> bool:
    proto = tff.framework.serialize_computation(comp)
    return proto.WhichOneof("computation") == "tensorflow"


def _compile_value(comp: tff.framework.ConcreteComputation) -> GraphPart:
    """A computation `( -> T@SERVER)`.

    Raises:
      TypeError: it gives something else.
    """
    if getattr(comp.type_signature.result, "placement", None) is not tff.SERVER:
        raise TypeError("What needs no argument must give one value at the server.")
    return compile_part(tff.backends.mapreduce.get_state_initialization_computation(comp))


def compile_next(comp: tff.framework.ConcreteComputation) -> RoundForm:
    """The round form of a `next` alone, as this context runs it.

    Raises:
      TypeError: it has none.
    """
    parameter = comp.type_signature.parameter
    placements = (
        [getattr(inner, "placement", None) for inner in parameter]
        if isinstance(parameter, tff.StructType)
        else []
    )
    if placements != [tff.SERVER, tff.CLIENTS]:
        raise TypeError("A round must take a state at the server and data at the clients.")

    @tff.tensorflow.computation
    def nothing() -> Any:
        return ()

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_eval(nothing, tff.SERVER)

    return compile_round_form(initialize, comp)


def _pipelines(type_spec: tff.Type | None) -> list[DatasetGraph]:
    if type_spec is None:
        return []
    return [DatasetGraph(leaf) for leaf in leaf_types(type_spec) if _is_sequence(leaf)]


def _split(value: Any, type_spec: tff.Type) -> tuple[list[np.ndarray], list[dict]]:
    """A value's tensors, and its data sets as their pipelines take them."""
    typed = list(zip(leaves_of(value, type_spec), leaf_types(type_spec), strict=True))
    tensors = [leaf for leaf, leaf_type in typed if not _is_sequence(leaf_type)]
    data = [serialize_dataset(leaf, inner) for leaf, inner in typed if _is_sequence(inner)]
    return tensors, data


def _is_sequence(type_spec: tff.Type) -> bool:
    return isinstance(type_spec, tff.SequenceType)
