import numpy as np
import pytest
import tensorflow_federated as tff

from tff_retail.learning import fed_eval, round_metrics
from tff_retail.runtime import round_form

pytestmark = pytest.mark.usefixtures("in_process")

# Logits are (first feature, second feature, 0).
WEIGHTS = tff.learning.models.ModelWeights(
    (np.array([[1, 0, 0], [0, 1, 0]], np.float32), np.zeros(3, np.float32)), ()
)


def _evaluate(model, datasets):
    process = fed_eval.build_fed_eval(model)
    state = process.set_model_weights(process.initialize(), WEIGHTS)
    return round_metrics.evaluation_metrics(process.next(state, datasets).metrics)


def test_every_example_counts_once(build_linear_model, store_data):
    stores = [store_data([[5, 0], [0, 5], [0, 5]], [0, 1, 0], 2), store_data([[0, 0]], [2])]
    found = _evaluate(build_linear_model(), stores)
    logits = np.array([[5, 0, 0], [0, 5, 0], [0, 5, 0], [0, 0, 0]])
    likelihoods = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = -np.log(likelihoods[range(4), [0, 1, 0, 2]])
    assert list(found) == ["loss", "top_1", "top_5", "num_examples"]
    assert float(found["loss"]) == pytest.approx(losses.mean(), rel=1e-5)
    assert float(found["top_1"]) == 0.5
    assert float(found["top_5"]) == 1.0
    assert int(found["num_examples"]) == 4


def test_a_loss_that_is_not_finite_shows(build_linear_model, store_data):
    stores = [store_data([[np.nan, 0]], [0]), store_data([[5, 0]], [0])]
    found = _evaluate(build_linear_model(), stores)
    assert np.isnan(found["loss"])
    assert int(found["num_examples"]) == 2


def test_what_a_store_gives_is_the_leaves_that_local_metrics_takes(build_linear_model):
    process = fed_eval.build_fed_eval(build_linear_model())
    work = round_form.compile_round_form(process.initialize, process.next)["work"]
    names = [leaf.path.split("/")[-2:] for leaf in work.result]
    assert names[:6] == [[mean, part] for mean in ("loss", "top_1", "top_5") for part in "01"]
    assert names[6] == ["num_examples", "0"]
    assert names[7:] == [["confidence", "num_examples"], ["confidence", "num_right"]]
