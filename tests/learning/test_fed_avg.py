import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail import config
from tff_retail.learning import fed_avg, round_metrics
from tff_retail.runtime import round_form

RATE = 0.5
TRAINING_METRICS = [
    "loss",
    "top_1",
    "top_5",
    "num_examples",
    "num_not_finite",
    "num_clipped",
    "update_norm",
    "update_rejected",
]
SMALL = (np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], np.float32), [0, 1, 2])
LARGE = (np.array([[2.0, 1.0]] * 4 + [[-1.0, 0.5]] * 5, np.float32), [1] * 4 + [2] * 5)
NOT_FINITE = (np.array([[np.nan, 1.0]] * 2, np.float32), [0, 0])
# One of each kind at least, and the ones that touch the same code together.
COMBINATIONS = [
    {},
    {"client_optimizer": "sgd", "server_optimizer": "adagrad", "label_smoothing": 0.1},
    {"client_optimizer": "momentum", "server_optimizer": "momentum", "update_clip_norm": 1.0},
    {"client_optimizer": "adamw", "server_optimizer": "adam", "weight_decay": 0.01},
    {"client_optimizer": "adam", "learning_rate_schedule": "step", "weight_decay": 0.01},
    {
        "client_optimizer": "momentum",
        "server_optimizer": "yogi",
        "learning_rate_schedule": "cosine",
        "warmup_rounds": 2,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "update_clip_norm": 1.0,
    },
    {"update_dtype": "float16", "broadcast_dtype": "float16"},
]


def _sgd(**settings) -> config.LearningConfig:
    return config.LearningConfig(
        **{"client_optimizer": "sgd", "client_learning_rate": RATE, **settings}
    )


def _run(model, learning, stores, num_rounds: int = 1, rounds: int = 10):
    """The weights and the metrics after every round."""
    process = fed_avg.build_fed_avg(model, learning, rounds)
    state, results = process.initialize(), []
    for _ in range(num_rounds):
        output = process.next(state, stores)
        state = output.state
        weights = process.get_model_weights(state).trainable
        results.append(([np.asarray(w) for w in weights], output.metrics))
    return results


def _step_by_hand(features: np.ndarray, labels: list[int]) -> np.ndarray:
    """Weights [3, 3] (bias last) of softmax regression after one step from zero."""
    inputs = np.concatenate([features, np.ones((len(labels), 1))], axis=1)
    error = np.full((len(labels), 3), 1 / 3) - np.eye(3)[labels]
    return -RATE * inputs.T @ error / len(labels)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_one_round_is_the_mean_of_the_stores_weighted_by_examples(
    build_linear_model, store_data, schedule
):
    learning = _sgd(learning_rate_schedule=schedule)
    stores = [store_data(*SMALL), store_data(*LARGE)]
    ((weights, metrics),) = _run(build_linear_model(), learning, stores)
    expected = (3 * _step_by_hand(*SMALL) + 9 * _step_by_hand(*LARGE)) / 12
    np.testing.assert_allclose(np.vstack(weights), expected, rtol=1e-5, atol=1e-7)
    found = round_metrics.training_metrics(metrics)
    found.pop("client_learning_rate", None)
    assert list(found) == TRAINING_METRICS
    assert float(found["loss"]) == pytest.approx(np.log(3), rel=1e-6)
    assert int(found["num_examples"]) == 12
    norms = [np.linalg.norm(_step_by_hand(*store)) for store in (SMALL, LARGE)]
    assert float(found["update_norm"]) == pytest.approx(np.mean(norms), rel=1e-5)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_a_store_that_is_not_finite_changes_nothing_but_its_count(
    build_linear_model, store_data, schedule
):
    learning = _sgd(learning_rate_schedule=schedule)
    good = [store_data(*SMALL), store_data(*LARGE)]
    process = fed_avg.build_fed_avg(build_linear_model(), learning, 10)
    state = process.initialize()
    expected = process.next(state, good)
    output = process.next(state, [*good, store_data(*NOT_FINITE)])
    weights, wanted = (_leaves(process.get_model_weights(one.state)) for one in (output, expected))
    for one, other in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    found = round_metrics.training_metrics(output.metrics)
    assert int(found["num_not_finite"]) == 1
    assert int(found["num_examples"]) == 12
    assert float(found["loss"]) == pytest.approx(np.log(3), rel=1e-6)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_a_loss_that_overflows_stays_out_of_the_rounds_metrics(
    build_linear_model, store_data, schedule
):
    learning = _sgd(learning_rate_schedule=schedule)
    process = fed_avg.build_fed_avg(build_linear_model(), learning, 10)
    # Logits of (2e38, -2e38, 0) from the feature (1, 0): an infinite loss with a finite gradient.
    kernel = np.array([[2e38, -2e38, 0], [0, 0, 0]], np.float32)
    weights = tff.learning.models.ModelWeights((kernel, np.zeros(3, np.float32)), ())
    state = process.set_model_weights(process.initialize(), weights)
    output = process.next(state, [store_data([[1, 0]], [1]), store_data([[0, 1]], [0])])
    found = round_metrics.training_metrics(output.metrics)
    assert float(found["loss"]) == pytest.approx(np.log(3), rel=1e-6)
    assert int(found["num_examples"]) == 1
    assert int(found["num_not_finite"]) == 0


@pytest.mark.usefixtures("in_process")
def test_a_round_without_a_finite_update_leaves_model_and_momentum_alone(
    build_linear_model, store_data
):
    learning = _sgd(server_optimizer="momentum")
    process = fed_avg.build_fed_avg(build_linear_model(), learning, 10)
    before = process.next(process.initialize(), [store_data(*SMALL)]).state
    output = process.next(before, [store_data(*NOT_FINITE)])
    for name in ("global_model_weights", "finalizer"):
        found, expected = getattr(output.state, name), getattr(before, name)
        for one, other in zip(_leaves(found), _leaves(expected), strict=True):
            np.testing.assert_array_equal(one, other)
    found = round_metrics.training_metrics(output.metrics)
    assert int(found["num_not_finite"]) == 1 and int(found["update_rejected"]) == 1
    assert all(np.isfinite(value) for value in found.values())


def _leaves(value) -> list[np.ndarray]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, tuple | list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    if isinstance(value, tff.learning.models.ModelWeights):
        return _leaves((value.trainable, value.non_trainable))
    return [np.asarray(value)]


@pytest.mark.usefixtures("in_process")
def test_updates_are_clipped_over_all_their_tensors(build_linear_model, store_data):
    norm = np.linalg.norm(_step_by_hand(*LARGE))
    learning = _sgd(update_clip_norm=norm / 4)
    ((weights, metrics),) = _run(build_linear_model(), learning, [store_data(*LARGE)])
    np.testing.assert_allclose(np.vstack(weights), _step_by_hand(*LARGE) / 4, rtol=1e-5)
    assert int(metrics["aggregator"]["num_clipped"]) == 1
    assert float(metrics["aggregator"]["update_norm"]) == pytest.approx(norm, rel=1e-5)


@pytest.mark.usefixtures("in_process")
def test_a_schedule_gives_each_round_its_rate(build_linear_model, store_data):
    learning = _sgd(learning_rate_schedule="step", warmup_rounds=1)
    results = _run(build_linear_model(), learning, [store_data(*SMALL)], num_rounds=3, rounds=4)
    rates = [float(metrics["client_work"]["client_learning_rate"]) for _, metrics in results]
    assert rates == pytest.approx([RATE / 2, RATE, RATE / 10])
    first = np.vstack(results[0][0])
    np.testing.assert_allclose(first, _step_by_hand(*SMALL) / 2, rtol=1e-5, atol=1e-8)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("client_optimizer", ["momentum", "adamw"])
def test_a_schedule_at_full_rate_equals_the_constant_rate(
    build_linear_model, store_data, client_optimizer
):
    settings = {"client_optimizer": client_optimizer, "weight_decay": 0.1}
    stores = [store_data(*LARGE, batch_size=2)]
    ((constant, _),) = _run(build_linear_model(), _sgd(**settings), stores)
    learning = _sgd(learning_rate_schedule="step", **settings)
    ((scheduled, _),) = _run(build_linear_model(), learning, stores)
    np.testing.assert_allclose(np.vstack(scheduled), np.vstack(constant), rtol=1e-5, atol=1e-7)
    assert np.abs(constant[0]).min() > 0


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("schedule", ["constant", "step"])
@pytest.mark.parametrize(("dtype", "off_by"), [("float16", 2**-11), ("int8", 1 / 127)])
def test_an_update_is_rounded_on_its_way(build_linear_model, store_data, schedule, dtype, off_by):
    learning = _sgd(learning_rate_schedule=schedule, update_dtype=dtype)
    stores = [store_data(*SMALL), store_data(*LARGE)]
    ((weights, _),) = _run(build_linear_model(), learning, stores)
    expected = (3 * _step_by_hand(*SMALL) + 9 * _step_by_hand(*LARGE)) / 12
    found = np.abs(np.vstack(weights) - expected).max()
    assert 1e-6 < found < off_by * np.abs(_step_by_hand(*LARGE)).max()


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("dtype", ["bfloat16", "int4"])
def test_an_update_that_is_not_finite_is_dropped_before_it_is_rounded(
    build_linear_model, store_data, dtype
):
    good = [store_data(*SMALL), store_data(*LARGE)]
    learning = _sgd(update_dtype=dtype)
    ((expected, _),) = _run(build_linear_model(), learning, good)
    ((found, metrics),) = _run(build_linear_model(), learning, [*good, store_data(*NOT_FINITE)])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(metrics["aggregator"]["num_not_finite"]) == 1


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_stores_begin_with_rounded_weights_and_headquarters_keeps_its_own(
    build_linear_model, store_data, schedule
):
    third = np.full((2, 3), 1 / 3, np.float32)
    learning = _sgd(learning_rate_schedule=schedule, broadcast_dtype="float16")
    process = fed_avg.build_fed_avg(build_linear_model(), learning, 10)

    def step(kernel: np.ndarray) -> list[np.ndarray]:
        weights = tff.learning.models.ModelWeights((kernel, np.array([0, 0, 1e6], "f4")), ())
        state = process.set_model_weights(process.initialize(), weights)
        after = process.get_model_weights(process.next(state, [store_data(*LARGE)]).state)
        return [np.asarray(weight) for weight in after.trainable]

    exact, rounded = step(third), step(third.astype(np.float16).astype(np.float32))
    # The same update, since stores begin with the same weights; another place to add it to.
    np.testing.assert_allclose(exact[0] - third, rounded[0] - third.astype(np.float16), atol=1e-7)
    assert (exact[0] != rounded[0]).all()
    # What float16 can't hold does not overflow to infinity on the way.
    assert exact[1][2] == pytest.approx(1e6, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "is_random"),
    [
        ({"update_dtype": "int4", "broadcast_dtype": "bfloat16"}, True),
        ({"update_dtype": "float16"}, False),
    ],
)
def test_what_is_rounded_at_random_is_a_function_of_the_update(
    build_linear_model, settings, is_random
):
    process = fed_avg.build_fed_avg(build_linear_model(), _sgd(**settings), 10)
    form = round_form.compile_round_form(process.initialize, process.next)
    random = {name for name in _operations(form) if "Random" in name or "Timestamp" in name}
    assert bool(random) == is_random
    assert all(name.startswith("StatelessRandom") for name in random)


@pytest.mark.parametrize("settings", COMBINATIONS)
def test_it_compiles_to_graphs_without_hidden_randomness(build_linear_model, settings):
    learning = config.LearningConfig(**settings)
    process = fed_avg.build_fed_avg(build_linear_model(learning), learning, 10)
    form = round_form.compile_round_form(process.initialize, process.next)
    operations = _operations(form)
    assert "SparseSoftmaxCrossEntropyWithLogits" in operations
    assert not {name for name in operations if "Random" in name or "Multinomial" in name}


def _operations(form: round_form.RoundForm) -> set[str]:
    return {
        node.op
        for part in form.parts.values()
        for nodes in (part.graph_def().node, *_function_nodes(part.graph_def()))
        for node in nodes
    }


def _function_nodes(graph_def):
    return [function.node_def for function in graph_def.library.function]


@pytest.mark.parametrize("settings", [COMBINATIONS[0], COMBINATIONS[-1]])
def test_one_configuration_has_one_digest(build_linear_model, settings):
    learning = config.LearningConfig(**settings)

    def digests() -> dict[str, str]:
        process = fed_avg.build_fed_avg(build_linear_model(learning), learning, 10)
        return round_form.compile_round_form(process.initialize, process.next).digests

    assert digests() == digests()


def test_what_a_store_runs_is_the_same_for_every_schedule(build_linear_model):
    def digest(rounds: int, **settings) -> str:
        learning = config.LearningConfig(**settings)
        process = fed_avg.build_fed_avg(build_linear_model(), learning, rounds)
        return round_form.compile_round_form(process.initialize, process.next)["work"].digest

    cosine = digest(10, learning_rate_schedule="cosine")
    assert digest(20, learning_rate_schedule="step", warmup_rounds=3) == cosine
    assert digest(10, learning_rate_schedule="cosine", client_optimizer="sgd") != cosine


def test_building_prints_nothing(build_linear_model, capfd):
    model = build_linear_model()
    capfd.readouterr()
    fed_avg.build_fed_avg(model, _sgd(learning_rate_schedule="cosine"), 10)
    written = capfd.readouterr()
    # TensorFlow's C++ log lines ("date time: I file:line]") are the entry points' to quiet.
    lines = (written.out + written.err).splitlines()
    assert [line for line in lines if "tensorflow/" not in line] == []
