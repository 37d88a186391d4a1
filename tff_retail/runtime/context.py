"""A TFF context that runs computations on the round form, in this process.

Installed with `tff.framework.set_default_context`, it makes `process.initialize()` and
`process.next(state, stores)` work unchanged, without TFF's `worker_binary`.
"""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

# Packing results into the Python containers that a type names has no public path.
from tensorflow_federated.python.core.impl.types import type_conversions

from tff_retail.runtime.federated_round import FederatedRound
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.round_form import RoundForm, compile_round_form
from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.store import Store, StoreFailed, WorkRequest, WorkResult


class SerializedPipeline:
    """A data set that arrives as the serialised graph of a `tf.data.Dataset`.

    Args:
      element_spec: of the elements.
    """

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    def input_specs(self) -> Mapping[str, tf.TensorSpec]:
        """See `Pipeline`."""
        return {"graph": tf.TensorSpec([], tf.string)}

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """See `Pipeline`."""
        variant = tf.raw_ops.DatasetFromGraph(graph_def=inputs["graph"])
        return tf.data.experimental.from_variant(variant, self._element_spec)


def serialize_dataset(dataset: tf.data.Dataset) -> dict[str, np.ndarray]:
    """The input of a `SerializedPipeline` for a data set.

    Python functions inside it (`from_generator`) stay where they are: the graph names them, and
    it is run in this process.
    """
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset), external_state_policy=1
    )
    return {"graph": np.asarray(graph.numpy(), dtype=object)}


class _DatasetStore:
    """A store that is no more than its `tf.data.Dataset` (or structure of them)."""

    def __init__(self, position: int, value: Any, data_type: Any, sessions: SessionPool) -> None:
        self._value = value
        self._data_type = data_type
        self._sessions = sessions
        self.name = f"store {position}"

    def run(self, request: WorkRequest) -> WorkResult:
        leaves = list(_flatten(self._value, self._data_type))
        data = [serialize_dataset(leaf) for leaf in leaves if isinstance(leaf, tf.data.Dataset)]
        tensors = [leaf for leaf in leaves if not isinstance(leaf, tf.data.Dataset)]
        with self._sessions.session() as session:
            return WorkResult(session([*tensors, *request.broadcast], data), {}, 0.0)


class _Rounds:
    """A compiled `next` of a process."""

    def __init__(self, computation: tff.Computation, parallel_stores: int) -> None:
        form = _compile_next(computation)
        self._collector = PlainCollector(form, parallel_stores=parallel_stores)
        self._round = FederatedRound(form, self._collector)
        self._data_type = computation.type_signature.parameter[1].member
        pipelines = _pipelines(self._data_type)
        self._sessions = SessionPool(lambda number: PartSession(form["work"], pipelines))
        self._round_num = 0

    def __call__(self, state: list[np.ndarray], clients: Sequence[Any]) -> list[np.ndarray]:
        self._round_num += 1
        stores: list[Store] = [
            client if hasattr(client, "run") else self._dataset_store(position, client)
            for position, client in enumerate(clients)
        ]
        request = WorkRequest("train", self._round_num, 0, self._round.broadcast(state))
        collection = self._round.collect(stores, request)
        for outcome in collection.outcomes:
            if outcome.failure is not None:
                raise StoreFailed(outcome.failure)
        result = self._round.update(state, collection)
        return [*result.state, *result.metrics.values()]

    def _dataset_store(self, position: int, value: Any) -> _DatasetStore:
        return _DatasetStore(position, value, self._data_type, self._sessions)


class RoundFormContext(tff.framework.SyncContext):
    """Runs TFF computations in this process.

    A learning process's `next` takes a list with one entry a store: a `tf.data.Dataset`, or a
    `Store` of ours that knows the role `train` of this very process. Plain TensorFlow
    computations and server-only ones run as they are.

    Args:
      parallel_stores: stores trained side by side.
    """

    def __init__(self, *, parallel_stores: int = 1) -> None:
        self._parallel_stores = parallel_stores
        self._compiled: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def invoke(self, comp: tff.framework.ConcreteComputation, arg: Any) -> Any:
        """Runs `comp`; see `tff.framework.SyncContext.invoke`.

        Raises:
          TypeError: the computation is neither plain TensorFlow nor a round of a process.
          StoreFailed: a store could not do its work.
        """
        signature = comp.type_signature
        if comp not in self._compiled:
            self._compiled[comp] = self._compile(comp)
        run = self._compiled[comp]
        if isinstance(run, _Rounds):
            state_type = signature.parameter[0].member
            leaves = run([_array(v) for v in _flatten(arg[0], state_type)], arg[1])
        else:
            values = list(_flatten(arg, signature.parameter)) if arg is not None else []
            data = [serialize_dataset(v) for v in values if isinstance(v, tf.data.Dataset)]
            tensors = [_array(v) for v in values if not isinstance(v, tf.data.Dataset)]
            leaves = run(tensors, data)
        return _pack(leaves, signature.result)

    def _compile(self, comp: tff.framework.ConcreteComputation) -> "PartSession | _Rounds":
        signature = comp.type_signature
        proto = tff.framework.serialize_computation(comp)
        if proto.WhichOneof("computation") == "tensorflow":
            pipelines = [] if signature.parameter is None else _pipelines(signature.parameter)
            return PartSession(GraphPart.from_computation(proto), pipelines)
        if signature.parameter is None:
            first = tff.backends.mapreduce.get_state_initialization_computation(comp)
            return PartSession(
                GraphPart.from_computation(tff.framework.serialize_computation(first))
            )
        return _Rounds(comp, self._parallel_stores)


def install_context(*, parallel_stores: int = 1) -> RoundFormContext:
    """Makes a `RoundFormContext` TFF's default context of this thread."""
    context = RoundFormContext(parallel_stores=parallel_stores)
    tff.framework.set_default_context(context)
    return context


def _compile_next(computation: tff.Computation) -> RoundForm:
    parameter = computation.type_signature.parameter
    if not isinstance(parameter, tff.StructType) or len(parameter) != 2:
        raise TypeError(
            "This context runs plain TensorFlow computations and rounds of the form "
            f"(<S@SERVER, {{D}}@CLIENTS> -> <S@SERVER, M@SERVER>), found {parameter}."
        )

    @tff.tensorflow.computation
    def nothing() -> Any:
        return ()

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_eval(nothing, tff.SERVER)

    return compile_round_form(initialize, computation)


def _pipelines(data_type: Any) -> list[SerializedPipeline]:
    return [
        SerializedPipeline(type_conversions.type_to_tf_structure(leaf.element))
        for leaf in _leaf_types(data_type)
        if isinstance(leaf, tff.SequenceType)
    ]


def _leaf_types(type_spec: Any) -> Iterator[Any]:
    if isinstance(type_spec, tff.FederatedType):
        yield from _leaf_types(type_spec.member)
    elif isinstance(type_spec, tff.StructType):
        for _, inner in tff.structure.iter_elements(type_spec):
            yield from _leaf_types(inner)
    else:
        yield type_spec


def _flatten(value: Any, type_spec: Any) -> Iterator[Any]:
    """The leaves of a value in the order of its type, whatever containers it stands in."""
    if isinstance(type_spec, tff.FederatedType):
        type_spec = type_spec.member
    if not isinstance(type_spec, tff.StructType):
        yield value
        return
    if not isinstance(value, tff.structure.Struct):
        value = tff.structure.from_container(value)
    for position, (name, inner) in enumerate(tff.structure.iter_elements(type_spec)):
        is_named = name is not None and name in tff.structure.name_list(value)
        yield from _flatten(getattr(value, name) if is_named else value[position], inner)


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, tf.Tensor | tf.Variable) else np.asarray(value)


def _pack(leaves: Sequence[np.ndarray], type_spec: Any) -> Any:
    remaining = iter(leaves)

    def build(inner: Any) -> Any:
        if isinstance(inner, tff.FederatedType):
            return build(inner.member)
        if isinstance(inner, tff.StructType):
            elements = [(name, build(t)) for name, t in tff.structure.iter_elements(inner)]
            return type_conversions.type_to_py_container(tff.structure.Struct(elements), inner)
        return next(remaining)

    return build(type_spec)
