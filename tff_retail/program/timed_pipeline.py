"""A store's data set that ends when the time of a round is up."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from datasets.example_pipeline import ExamplePipeline

DEADLINE = "deadline_s"


@dataclasses.dataclass(frozen=True)
class TimedPipeline:
    """A `Pipeline` that gives no batch any more once the clock has passed a time that is fed.

    The graph trains for as long as there are batches, and weighs its update by what it saw; so a
    round ends in time on whatever machine, within one step, and its graph is the one approved.

    Attributes:
      pipeline: that makes the batches.
    """

    pipeline: ExamplePipeline

    def input_specs(self) -> Mapping[str, tf.TensorSpec]:
        """What `build` takes: the pipeline's, and `deadline_s`, float64 [], since the epoch."""
        return {**self.pipeline.input_specs(), DEADLINE: tf.TensorSpec([], tf.float64)}

    def build(self, inputs: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """The data set, in graph mode; a first batch is given however late it is."""
        deadline_s = inputs[DEADLINE]
        batches = self.pipeline.build(inputs).enumerate()
        in_time = batches.take_while(
            # `==` compares objects, not values, in a graph of a session.
            lambda number, batch: tf.equal(number, 0) | (tf.timestamp() < deadline_s)
        )
        return in_time.map(lambda number, batch: batch)
