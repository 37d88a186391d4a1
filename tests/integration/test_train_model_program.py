"""`tff.learning.programs.train_model` over our context: named stores, state, metrics, resume."""

import asyncio
import collections
import csv
import datetime
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import (
    context,
    program_context,
    store_data_source,
)

NUM_LABELS = 3
ROUNDS = 3
SEED = 5


def _model() -> tff.learning.models.FunctionalModel:
    def keras_model() -> tf.keras.Model:
        features = tf.keras.Input((2,), name="features")
        logits = tf.keras.layers.Dense(NUM_LABELS, kernel_initializer="zeros")(features)
        return tf.keras.Model({"features": features}, logits)

    spec = (
        collections.OrderedDict(features=tf.TensorSpec((None, 2), tf.float32)),
        tf.TensorSpec((None,), tf.int32),
    )
    return tff.learning.models.functional_model_from_keras(
        keras_model,
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        spec,
        collections.OrderedDict(num_examples=tff.learning.metrics.NumExamplesCounter),
    )


def _stores() -> dict[str, tf.data.Dataset]:
    generator = np.random.default_rng(1)
    sizes = {"Bern": 4, "Genf": 3, "Zürich": 2, "西安": 5}
    return {
        name: tf.data.Dataset.from_tensor_slices(
            (
                collections.OrderedDict(
                    features=generator.normal(size=(size, 2)).astype(np.float32)
                ),
                generator.integers(NUM_LABELS, size=size).astype(np.int32),
            )
        ).batch(2)
        for name, size in sizes.items()
    }


@pytest.fixture(scope="module")
def processes():
    loop = tff.learning.LoopImplementation.DATASET_ITERATOR
    train = tff.learning.algorithms.build_weighted_fed_avg(
        _model(),
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0, 0.9),
        loop_implementation=loop,
    )
    return train, tff.learning.algorithms.build_fed_eval(_model(), loop_implementation=loop)


class _OrderedCsv(tff.program.CSVFileReleaseManager):
    """One release after the other, in the order of rounds. `train_model` starts the next before the
    last has ended: the file, read and written as a whole, would lose a row; and a release drops the
    rows of later rounds, so that an evaluation that is late would take others with it."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path, key_fieldname="round")
        self._path = path
        self._turn = asyncio.Condition()

    async def release(self, value, key) -> None:
        async with self._turn:
            await self._turn.wait_for(lambda: key - 1 in self._rounds())
            await super().release(value, key)
            self._turn.notify_all()

    def _rounds(self) -> set[int]:
        with self._path.open(newline="") as file:
            return {0, *(int(row["round"]) for row in csv.DictReader(file))}


class _Program:
    """A run of `train_model` with everything in one folder."""

    def __init__(self, processes, folder: pathlib.Path) -> None:
        self._train, self._evaluate = processes
        self.folder = folder
        self.models = tff.program.MemoryReleaseManager()

    def run(self, rounds: int) -> None:
        stack = tff.framework.get_context_stack()
        running = context.RoundFormContext(parallel_stores=2, stores=_stores(), seed=SEED)
        async_context = program_context.AsyncRoundFormContext(running)
        with stack.install(tff.program.NativeFederatedContext(async_context)):
            asyncio.run(self._program(rounds))

    async def _program(self, rounds: int) -> None:
        await tff.learning.programs.train_model(
            train_process=self._train,
            train_data_source=self._source(self._train),
            train_per_round_clients=2,
            train_total_rounds=rounds,
            program_state_manager=self._states("state"),
            model_output_manager=self.models,
            train_metrics_manager=self._csv("train"),
            evaluation_manager=tff.learning.programs.EvaluationManager(
                data_source=self._source(self._evaluate),
                aggregated_metrics_manager=self._csv("evaluation"),
                create_state_manager_fn=self._states,
                create_process_fn=lambda name: (self._evaluate, None),
                cohort_size=4,
                duration=datetime.timedelta(seconds=0),
            ),
            evaluation_periodicity=1,
        )

    def _source(self, process) -> store_data_source.StoreDataSource:
        data_type = process.next.type_signature.parameter[1]
        return store_data_source.StoreDataSource(sorted(_stores()), data_type, seed=SEED)

    def _states(self, name: str) -> tff.program.FileProgramStateManager:
        return tff.program.FileProgramStateManager(self.folder / name)

    def _csv(self, name: str) -> tff.program.CSVFileReleaseManager:
        return _OrderedCsv(self.folder / f"{name}.csv")

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.folder / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def weights(self) -> list[bytes]:
        (released,) = self.models.values().values()
        return [leaf.tobytes() for leaf in released.global_model_weights.trainable]


@pytest.fixture(scope="module")
def finished(processes, tmp_path_factory) -> _Program:
    program = _Program(processes, tmp_path_factory.mktemp("program"))
    program.run(ROUNDS)
    return program


def test_it_trains_on_the_cohorts_of_the_rounds_and_evaluates_each(finished):
    train, evaluation = finished.rows("train"), finished.rows("evaluation")
    assert [row["round"] for row in train] == ["1", "2", "3"]
    sizes = {name: sum(len(y) for _, y in data) for name, data in _stores().items()}
    source = finished._source(finished._train).iterator()
    for row in train:
        expected = sum(sizes[turn.name] for turn in source.select(2))
        assert int(row["model_metrics/num_examples"]) == expected
    assert [row["round"] for row in evaluation] == ["1", "2", "3"]
    assert all(row["model_metrics/num_examples"] == "14" for row in evaluation)


def test_its_model_is_that_of_the_same_rounds_without_a_program(finished, processes):
    train, _ = processes
    source, stores = finished._source(train).iterator(), _stores()
    with tff.framework.get_context_stack().install(context.RoundFormContext()):
        state = train.initialize()
        for _ in range(ROUNDS):
            state = train.next(state, [stores[turn.name] for turn in source.select(2)]).state
        weights = train.get_model_weights(state).trainable
    assert [leaf.tobytes() for leaf in weights] == finished.weights()


def test_a_program_that_was_stopped_goes_on_to_the_same_model(finished, processes, tmp_path):
    _Program(processes, tmp_path).run(1)
    resumed = _Program(processes, tmp_path)
    resumed.run(ROUNDS)
    assert resumed.weights() == finished.weights()
    assert [row["round"] for row in resumed.rows("train")] == ["1", "2", "3"]
    assert resumed.rows("train") == finished.rows("train")
