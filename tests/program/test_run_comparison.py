"""What the demonstration says of two runs."""

import numpy as np
import pytest

from tff_retail.program.run_comparison import is_same_model, missed_work

STORES = ("east", "north")


@pytest.fixture
def model(tmp_path):
    def make(name, weights):
        folder = tmp_path / name
        folder.mkdir()
        np.savez(folder / "weights.npz", **weights)
        return folder

    return make


def test_models_are_the_same_to_the_bit(model):
    first = model("first", {"a": np.array([0.0, 1.0], np.float32), "b": np.int32(2)})
    assert is_same_model(
        first, model("same", {"a": np.array([0.0, 1.0], np.float32), "b": np.int32(2)})
    )


@pytest.mark.parametrize(
    "other",
    [
        {"a": np.array([-0.0, 1.0], np.float32)},  # equal as a number
        {"a": np.array([[0.0, 1.0]], np.float32)},
        {"a": np.array([0.0, 1.0], np.float32).view(np.int32)},
        {"b": np.array([0.0, 1.0], np.float32)},
    ],
)
def test_another_bit_shape_type_or_name_is_another_model(model, other):
    first = model("first", {"a": np.array([0.0, 1.0], np.float32)})
    assert not is_same_model(first, model("other", other))


@pytest.fixture
def run_dir(tmp_path):
    def make(metrics, stores):
        (tmp_path / "metrics.csv").write_text("round,stores/done\n" + "\n".join(metrics))
        (tmp_path / "stores.csv").write_text("round,store,num_examples\n" + "\n".join(stores))
        return tmp_path

    return make


def test_nothing_is_missed(run_dir):
    run = run_dir(["1,2.0", "2,2.0"], ["1,east,8", "1,north,8", "2,east,8", "2,north,8"])
    assert missed_work(run, STORES) == []


def test_what_a_round_went_without_is_named(run_dir):
    run = run_dir(["1,2", "2,1"], ["1,east,8", "1,north,", "2,east,8", "2,north,8"])
    assert missed_work(run, STORES) == [
        "round 1: north in evaluation",
        "round 2: 1 of 2 stores in training",
    ]


def test_a_round_without_evaluation_misses_none(run_dir):
    assert missed_work(run_dir(["1,2", "2,2"], ["2,east,8", "2,north,8"]), STORES) == []
