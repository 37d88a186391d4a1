"""Runs one graph part, again and again, in a TensorFlow session of its own.

A graph keeps what it computes with in named variables, so two concurrent runs of one session
would overwrite each other: a session runs one call after the other, and threads that run a part at
the same time have a session each (`session_pool`).
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.store import WorkStopped


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
      device: where the graph is placed, such as `/GPU:0`; '' leaves it to TensorFlow.
    """

    def __init__(
        self, part: GraphPart, pipelines: Sequence[Pipeline] = (), *, device: str = ""
    ) -> None:
        self._graph = tf.Graph()
        sequences = [leaf for leaf in part.parameter if leaf.is_sequence]
        tensors = [leaf for leaf in part.parameter if not leaf.is_sequence]
        with self._graph.as_default():
            bound = [_bind(pipeline) for pipeline in pipelines]
            variants = {
                leaf.tensor: variant for leaf, (_, variant) in zip(sequences, bound, strict=True)
            }
            with tf.device(device):
                tf.import_graph_def(part.graph_def(), input_map=variants, name="")
        self._sequence_inputs = [inputs for inputs, _ in bound]
        self._initialize_op = part.initialize_op or None
        self._lock = threading.Lock()
        self._is_closed = False
        self._session = tf.compat.v1.Session(graph=self._graph, config=_session_config())
        feeds = [leaf.tensor for leaf in tensors]
        feeds += [tensor.name for inputs in self._sequence_inputs for tensor in inputs.values()]
        self._call = self._session.make_callable(
            [leaf.tensor for leaf in part.result], feed_list=feeds
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
            for inputs, values in zip(self._sequence_inputs, data, strict=True)
            for name in inputs
        ]
        try:
            with self._lock:
                if self._initialize_op:
                    self._session.run(self._initialize_op)
                return self._call(*tensors, *arrays)
        except (RuntimeError, tf.errors.OpError) as error:
            # What a closed session raises depends on where the run was when it was closed.
            if self._is_closed:
                raise WorkStopped("The session was closed.") from error
            raise

    def close(self) -> None:
        """Ends the session; a run in another thread is cancelled."""
        self._is_closed = True
        self._session.close()


def _bind(pipeline: Pipeline) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Placeholders for a pipeline's inputs, and the variant of the data set made of them."""
    with tf.device("/CPU:0"):
        inputs = {
            name: tf.compat.v1.placeholder(spec.dtype, spec.shape)
            for name, spec in pipeline.input_specs().items()
        }
        return inputs, tf.data.experimental.to_variant(pipeline.build(inputs))


def _session_config() -> tf.compat.v1.ConfigProto:
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    # The optimiser's rewriting costs seconds at a session's first run and wins nothing after it:
    # the same bits at the same speed (docs/architecture.md).
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config
