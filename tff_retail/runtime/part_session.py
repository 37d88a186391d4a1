"""Runs one graph part, again and again, in a TensorFlow session of its own.

A graph keeps what it computes with in named variables, so two concurrent runs of one session
would overwrite each other: a session runs one call after the other, and threads that run a part at
the same time have a session each (`session_pool`).
"""

import contextlib
import copy
import dataclasses
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from tff_retail.runtime.flushed_denormals import flushed_denormals
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.graph_pieces import GraphPiece, graph_pieces
from tff_retail.runtime.graph_placement import place_graph
from tff_retail.runtime.store import WorkStopped

# Of `RunOptions.inter_op_thread_pool`, as config.proto says.
_THREAD_OF_THE_CALLER = -1


class Pipeline(Protocol):
    """How a store's arrays become the data set that a part takes, as a graph."""

    def input_specs(self) -> Mapping[str, tf.TensorSpec]:
        """What `build` takes, by name."""
        ...

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """The data set over `inputs`; called in graph mode, once a session."""
        ...


class PartSession:
    """A graph part, loaded and ready to be called.

    Args:
      part: the graph.
      pipelines: one for each sequence among the part's parameters, in order.
      device: where the graph computes, such as `/GPU:0`; '' leaves it to TensorFlow. Data sets are
        read on the CPU always, and so are headquarters' sums unless said otherwise: they only add
        up what comes from the stores, less work than a copy to a GPU and back.
      has_own_core: whether calls of as many sessions as there are cores come from as many threads.
        Each call then stays in its thread, and no operation is handed from one to another.
      in_pieces: whether what the graph computes independently is computed in turn, which takes less
        memory where the tensors are given away, see `consume`.

    Raises:
      tf.errors.InvalidArgumentError: TensorFlow can't load the graph.
    """

    def __init__(
        self,
        part: GraphPart,
        pipelines: Sequence[Pipeline] = (),
        *,
        device: str = "/CPU:0",
        has_own_core: bool = False,
        in_pieces: bool = False,
    ) -> None:
        self._in_pieces = in_pieces
        self._bound = _bind(part, pipelines, device)
        self._has_own_core = has_own_core
        self._arithmetic = flushed_denormals if has_own_core else contextlib.nullcontext
        self._open()

    def twin(self) -> "PartSession":
        """A session of its own on the same graph, which costs a fraction of loading it again."""
        twin = copy.copy(self)
        twin._open()
        return twin

    def _open(self) -> None:
        bound = self._bound
        self._lock = threading.Lock()
        self._is_closed = False
        self._session = tf.compat.v1.Session(graph=bound.graph, config=_session_config())
        self._initialize = None
        if bound.initialize_op:
            self._initialize = _callable(self._session, targets=[bound.initialize_op])
        pieces = [GraphPiece(tuple(range(len(bound.feeds))), tuple(range(len(bound.fetches))))]
        if self._in_pieces:
            pieces = graph_pieces(bound.graph, bound.feeds, bound.fetches)
        self._calls = [(piece, self._callable_of(piece)) for piece in pieces]

    def _callable_of(self, piece: GraphPiece) -> Callable[..., list[np.ndarray]]:
        return _callable(
            self._session,
            feeds=[self._bound.feeds[at] for at in piece.feeds],
            fetches=[self._bound.fetches[at] for at in piece.fetches],
            stays_in_thread=self._has_own_core,
        )

    def __call__(
        self,
        tensors: Sequence[np.ndarray] = (),
        data: Sequence[Mapping[str, np.ndarray]] = (),
    ) -> list[np.ndarray]:
        """Runs the part.

        Args:
          tensors: the values of the parameter's tensor leaves, in order.
          data: for each sequence, the arrays its pipeline takes, by name.

        Returns:
          The values of the result's leaves, in order.

        Raises:
          WorkStopped: the session was closed, before or in mid-run.
          tf.errors.OpError: the graph failed.
        """
        arrays = [
            values[name]
            for inputs, values in zip(self._bound.sequence_inputs, data, strict=True)
            for name in inputs
        ]
        return self.consume([*tensors, *arrays])

    def consume(self, tensors: list[np.ndarray]) -> list[np.ndarray]:
        """Runs the part on tensors that are given away: `tensors` is empty afterwards.

        Returns and raises as a call does.
        """
        try:
            with self._lock:
                if self._initialize is not None:
                    self._initialize()
                values: list[Any] = list(map(np.asarray, tensors, self._bound.dtypes))
                tensors.clear()
                results: list[Any] = [None] * len(self._bound.fetches)
                with self._arithmetic():
                    for piece, call in self._calls:
                        found = call(*(values[at] for at in piece.feeds))
                        for at in piece.feeds:
                            values[at] = None
                        for at, value in zip(piece.fetches, found, strict=True):
                            results[at] = value
                return results
        except (RuntimeError, tf.errors.OpError) as error:
            # What a closed session raises depends on where the run was when it was closed.
            if self._is_closed:
                raise WorkStopped("The session was closed.") from error
            raise

    def close(self) -> None:
        """Ends the session; a run in another thread is cancelled."""
        self._is_closed = True
        self._session.close()


@dataclasses.dataclass(frozen=True)
class _BoundGraph:
    """A part's graph with the pipelines of its sequences in it.

    Attributes:
      graph: of which nothing is added any more.
      sequence_inputs: for each sequence, the names of the arrays that its pipeline takes.
      feeds, dtypes: tensors that are fed: the part's, then those of the pipelines.
      fetches: tensors of the result.
      initialize_op: run before each call; '' for none.
    """

    graph: tf.Graph
    sequence_inputs: Sequence[Sequence[str]]
    feeds: Sequence[str]
    dtypes: Sequence[np.dtype]
    fetches: Sequence[str]
    initialize_op: str


def _bind(part: GraphPart, pipelines: Sequence[Pipeline], device: str) -> _BoundGraph:
    graph = tf.Graph()
    sequences = [leaf for leaf in part.parameter if leaf.is_sequence]
    tensors = [leaf for leaf in part.parameter if not leaf.is_sequence]
    graph_def = part.graph_def()
    # TensorFlow renames a part's node whose name is taken, and what the part says it gives would be
    # a tensor of the pipelines: the photographs themselves.
    with graph.as_default(), tf.name_scope(_unused_scope(graph_def)):
        bound = [_bind_pipeline(pipeline) for pipeline in pipelines]
    with graph.as_default():
        variants = {
            leaf.tensor: variant for leaf, (_, variant) in zip(sequences, bound, strict=True)
        }
        place_graph(graph_def, device)
        _leave_functions_as_they_are(graph_def)
        _import(graph_def, variants)
        feeds = [leaf.tensor for leaf in tensors]
        feeds += [tensor.name for inputs, _ in bound for tensor in inputs.values()]
        # What is fed can't be fetched.
        fetches = [
            tf.identity(graph.get_tensor_by_name(leaf.tensor)).name
            if leaf.tensor in feeds
            else leaf.tensor
            for leaf in part.result
        ]
    return _BoundGraph(
        graph=graph,
        sequence_inputs=[tuple(inputs) for inputs, _ in bound],
        feeds=feeds,
        dtypes=[graph.get_tensor_by_name(name).dtype.as_numpy_dtype for name in feeds],
        fetches=fetches,
        initialize_op=part.initialize_op,
    )


def _import(graph: tf.compat.v1.GraphDef, variants: Mapping[str, tf.Tensor]) -> None:
    try:
        tf.import_graph_def(graph, input_map=variants, name="")
    except ValueError as error:  # what TensorFlow says of a graph that contradicts itself
        raise tf.errors.InvalidArgumentError(None, None, str(error)) from error


def _unused_scope(graph: tf.compat.v1.GraphDef) -> str:
    """A scope that no node of `graph` is in."""
    taken = {node.name.partition("/")[0] for node in graph.node}
    return next(f"store{at}" for at in range(len(taken) + 1) if f"store{at}" not in taken)


def _bind_pipeline(pipeline: Pipeline) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Placeholders for a pipeline's inputs, and the variant of the data set made of them."""
    with tf.device("/CPU:0"):
        inputs = {
            name: tf.compat.v1.placeholder(spec.dtype, spec.shape)
            for name, spec in pipeline.input_specs().items()
        }
        return inputs, tf.data.experimental.to_variant(pipeline.build(inputs))


def _callable(
    session: tf.compat.v1.Session,
    *,
    feeds: Sequence[str] = (),
    fetches: Sequence[str] = (),
    targets: Sequence[str] = (),
    stays_in_thread: bool = False,
) -> Callable[..., list[np.ndarray]]:
    """A call of the session that takes and gives arrays as they are.

    `Session.make_callable` goes through `Session.run` where there are feeds, which looks every
    name up and copies every array again, a tenth of a small store's time; this is what it is made
    of where there are none.
    """
    if not fetches and not targets:
        return lambda *arrays: []
    options = config_pb2.CallableOptions(feed=feeds, fetch=fetches, target=targets)
    if stays_in_thread:
        options.run_options.inter_op_thread_pool = _THREAD_OF_THE_CALLER
    return session._make_callable_from_options(options)


def _leave_functions_as_they_are(graph: tf.compat.v1.GraphDef) -> None:
    """Says of every call what `_session_config` says of the graph, which does not reach them."""
    config = _without_rewriting(config_pb2.ConfigProto()).SerializeToString(deterministic=True)
    functions = (function.node_def for function in graph.library.function)
    for node in itertools.chain(graph.node, *functions):
        if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            node.attr["config_proto"].s = config


def _without_rewriting(config: config_pb2.ConfigProto) -> config_pb2.ConfigProto:
    # The optimiser's rewriting costs seconds at a session's first run and wins nothing after it:
    # the same bits at the same speed (docs/architecture.md).
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def _session_config() -> tf.compat.v1.ConfigProto:
    # A session's devices are its own: without this it would take the GPUs that `--device=cpu`
    # hides, and divide a CPU otherwise than the process does.
    devices = {kind: len(tf.config.list_logical_devices(kind)) for kind in ("CPU", "GPU")}
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True, device_count=devices)
    config.gpu_options.allow_growth = True
    return _without_rewriting(config)
