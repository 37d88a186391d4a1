"""The baselines of a federated run: the same model trained in one place, with plain Keras.

Trained centrally, on the pooled photographs of all stores, it says what federation costs; trained
on one store alone, what federation wins. Both see as many epochs as the run had, and their model
is chosen as the run's is, on the same photographs (`evaluation.is_better`).
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from datasets.augmentation import augment
from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from tff_retail.config import LearningConfig
from tff_retail.learning.learning_rate import build_learning_rate
from tff_retail.learning.loss import build_loss
from tff_retail.program.evaluation import is_better

_EVALUATION_BATCH_SIZE = 64
# Each mapped store holds a file descriptor, of which a process may have 1,024.
_MAPPED_STORES = 64


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A model trained in one place.

    Attributes:
      metrics: `top_1` in [0, 1] and `loss` of the best model.
      round_num: the round whose epochs it was best after.
      curve: (round, `top_1` after it) of every evaluation, the last round's last.
    """

    metrics: Mapping[str, float]
    round_num: int
    curve: Sequence[tuple[int, float]] = ()


class PooledExamples:
    """Examples of several stores as one, without copying them together.

    Args:
      loads: for each store, what gives its examples.
    """

    def __init__(self, loads: Sequence[Callable[[], Examples]]) -> None:
        labels = [load().labels for load in loads]
        self._ends = np.cumsum([len(part) for part in labels])
        self._part = functools.lru_cache(_MAPPED_STORES)(lambda owner: loads[owner]())
        self.labels = np.concatenate(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The features at some positions, [n, ...], in their order."""
        owners = np.searchsorted(self._ends, positions, side="right")
        first = self._part(0).features
        taken = np.empty((len(positions), *first.shape[1:]), first.dtype)
        for owner in np.unique(owners):
            chosen = owners == owner
            part = self._part(int(owner))
            start = self._ends[owner] - len(part)
            taken[chosen] = part.features[positions[chosen] - start]
        return taken


def train_pooled(
    model: tf.keras.Model,
    first_weights: Sequence[np.ndarray],
    *,
    train: PooledExamples,
    validation: PooledExamples,
    pipeline: ExamplePipeline,
    learning: LearningConfig,
    rounds: int,
    eval_every: int,
    seed: int,
    name: str,
    on_batch: Callable[[], None] = lambda: None,
    on_round: Callable[[], None] = lambda: None,
) -> Baseline:
    """Trains `rounds` times `learning.local_epochs` epochs and evaluates as the run does.

    Args:
      model: compiled here; takes what the run's model takes.
      first_weights: in `model.weights` order, the ones the run started from.
      train, validation: to train and to evaluate on.
      pipeline: of the run's role `train`.
      learning: the client's optimiser, rates and schedule, and the loss.
      rounds, eval_every: of the run.
      seed, name: what the order of examples derives from.
      on_batch: called before each batch; what it raises ends the training.
      on_round: called after each round's epochs.
    """
    model.set_weights(list(first_weights))
    optimizer = _keras_optimizer(learning)
    model.compile(
        optimizer=optimizer, loss=build_loss(learning, model.output_shape[-1]), jit_compile=False
    )
    rate = build_learning_rate(learning, rounds)
    best: Baseline | None = None
    curve: list[tuple[int, float]] = []
    for round_num in range(1, rounds + 1):
        optimizer.learning_rate = float(rate(tf.constant(round_num - 1)))
        batches = _batches(train, pipeline, seed=seed, round_num=round_num, name=name)
        model.fit(batches, verbose=0, callbacks=[_BeforeBatch(on_batch)])
        on_round()
        if round_num % eval_every and round_num != rounds:
            continue
        metrics = _evaluate(model, validation, pipeline.feature, on_batch)
        curve.append((round_num, metrics["top_1"]))
        if best is None or is_better(metrics, best.metrics):
            best = Baseline(metrics, round_num)
    assert best is not None  # the last round is always evaluated
    return dataclasses.replace(best, curve=tuple(curve))


class _BeforeBatch(tf.keras.callbacks.Callback):
    """Calls a function before each batch of training."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        # Or else Keras would fetch the loss after each batch, for callbacks that read it.
        self._supports_tf_logs = True
        self._before_batch = call

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        """See `tf.keras.callbacks.Callback`."""
        self._before_batch()


def _keras_optimizer(learning: LearningConfig) -> tf.keras.optimizers.Optimizer:
    """What the run's client optimiser is in Keras, with the same decoupled weight decay."""
    decay = learning.weight_decay or None
    # XLA is several times slower than plain operations on a CPU.
    shared = {"learning_rate": learning.client_rate, "weight_decay": decay, "jit_compile": False}
    if learning.client_optimizer in ("adam", "adamw"):
        return tf.keras.optimizers.Adam(**shared)
    momentum = learning.momentum if learning.client_optimizer == "momentum" else 0.0
    return tf.keras.optimizers.SGD(momentum=momentum, **shared)


def _batches(
    examples: PooledExamples, pipeline: ExamplePipeline, *, seed: int, round_num: int, name: str
) -> tf.data.Dataset:
    digest = hashlib.sha256(f"{seed}/{round_num}/{name}".encode()).digest()
    words = np.frombuffer(digest, np.uint32)
    generator = np.random.default_rng(words)
    epochs = [generator.permutation(len(examples)) for _ in range(pipeline.epochs)]
    starts = range(0, len(examples), pipeline.batch_size)
    batches = [epoch[start : start + pipeline.batch_size] for epoch in epochs for start in starts]
    seeds = np.random.default_rng(words[:4]).integers(0, 2**31 - 1, (len(batches), 2))

    def generate() -> object:
        for positions, batch_seed in zip(batches, seeds.astype(np.int32), strict=True):
            yield examples.take(positions), examples.labels[positions], batch_seed

    feature = tf.TensorSpec([None, *pipeline.shape], pipeline.dtype)
    signature = (feature, tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32))

    def prepare(features: tf.Tensor, labels: tf.Tensor, batch_seed: tf.Tensor) -> object:
        features = augment(features, strength=pipeline.augmentation, seed=batch_seed)
        return {pipeline.feature: tf.ensure_shape(features, feature.shape)}, labels

    return tf.data.Dataset.from_generator(generate, output_signature=signature).map(prepare)


def _evaluate(
    model: tf.keras.Model,
    examples: PooledExamples,
    feature: str,
    on_batch: Callable[[], None],
) -> dict[str, float]:
    """Top-1 accuracy and mean cross entropy, every example counted once."""
    hits, loss = 0, 0.0
    for start in range(0, len(examples), _EVALUATION_BATCH_SIZE):
        on_batch()
        positions = np.arange(start, min(start + _EVALUATION_BATCH_SIZE, len(examples)))
        labels = examples.labels[positions]
        logits = model({feature: tf.constant(examples.take(positions))}, training=False)
        hits += int(np.sum(np.argmax(logits, axis=-1) == labels))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        loss += float(tf.reduce_sum(losses))
    return {"top_1": hits / len(examples), "loss": loss / len(examples)}
