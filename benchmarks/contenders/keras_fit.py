"""Centralised Keras: `model.fit` over the pictures of the round's cohort, one epoch a round.

`--variant=default` is what one writes first. `--variant=tuned` has the whole epoch in one call
of Keras' training function (`steps_per_execution`), the pictures kept as uint8 in batches that
are cut beforehand, the SGD that is one operation in place, and no XLA, which is slower on a CPU.
tf.data's autotuning is off: an epoch's end waits for its thread, which sleeps 10 ms, 20, 40 and
so on, so that epochs take 5.1 s or 10.2 and nothing between.
Threads are TensorFlow's choice: on two cores and the small CNN (inside an operation, beside one
another) = (2, 1), (1, 2) and (1, 1) brought no gain.
"""

import importlib.metadata

from benchmarks.contender import Orders, contender_arguments
from benchmarks.contenders.pooled_examples import PooledExamples
from benchmarks.contenders.thread_settings import set_threads
from benchmarks.workloads import WORKLOADS, Workload, build_model


class _Fit:
    """A compiled model and the round's data set."""

    def __init__(self, workload: Workload, examples: PooledExamples, *, is_tuned: bool) -> None:
        self._workload, self._examples, self._round_num = workload, examples, 0
        self._is_tuned = is_tuned
        self._model = self._compiled_model()
        self._dataset = None

    def train_round(self) -> int:
        """One epoch."""
        self._round_num += 1
        if self._dataset is None or self._workload.cohort_size < self._workload.num_stores:
            self._dataset = self._tuned_pipeline() if self._is_tuned else self._pipeline()
        self._model.fit(self._dataset, verbose=0)
        return self._workload.examples_per_round

    def _compiled_model(self):  # type: ignore[no-untyped-def]
        import tensorflow as tf

        workload, model = self._workload, build_model(self._workload)
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if self._is_tuned:
            model.compile(
                optimizer=tf.keras.optimizers.legacy.SGD(workload.learning_rate),
                loss=loss,
                steps_per_execution=workload.examples_per_round // workload.batch_size,
                jit_compile=False,
            )
        else:
            model.compile(optimizer=tf.keras.optimizers.SGD(workload.learning_rate), loss=loss)
        return model

    def _pipeline(self):  # type: ignore[no-untyped-def]
        import tensorflow as tf

        images, labels = self._examples(self._round_num)
        dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, labels))
        return dataset.batch(self._workload.batch_size).prefetch(tf.data.AUTOTUNE)

    def _tuned_pipeline(self):  # type: ignore[no-untyped-def]
        import tensorflow as tf

        images, labels = self._examples.batches(self._round_num)
        dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False
        return dataset.with_options(options)


def main() -> None:
    """Serves rounds."""
    arguments = contender_arguments(__doc__ or "", variants=("default", "tuned"))
    orders = Orders()
    set_threads(intra=arguments.threads, inter=arguments.threads)
    workload = WORKLOADS[arguments.workload]
    examples = PooledExamples(workload, arguments.examples)
    fit = _Fit(workload, examples, is_tuned=arguments.variant == "tuned")
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    orders.serve(fit.train_round, versions)


if __name__ == "__main__":
    main()
