from tff_retail.learning import round_metrics

NESTED = {
    "distributor": (),
    "client_work": {"train": {"loss": 0.5, "top_1": 0.25}, "client_learning_rate": 0.01},
    "aggregator": {"num_not_finite": 2},
    "finalizer": {"update_non_finite": 0},
}


def test_training_metrics_are_short_names_in_order():
    assert list(round_metrics.training_metrics(NESTED).items()) == [
        ("loss", 0.5),
        ("top_1", 0.25),
        ("client_learning_rate", 0.01),
        ("num_not_finite", 2),
        ("update_rejected", 0),
    ]


def test_flat_paths_are_read_as_nested_ones():
    flat = {
        "client_work/train/loss": 0.5,
        "client_work/train/top_1": 0.25,
        "client_work/client_learning_rate": 0.01,
        "aggregator/num_not_finite": 2,
        "finalizer/update_non_finite": 0,
    }
    assert round_metrics.training_metrics(flat) == round_metrics.training_metrics(NESTED)


def test_evaluation_metrics_are_those_of_this_evaluation_alone():
    metrics = {
        "client_work": {
            "eval": {"current_round_metrics": {"loss": 1.0}, "total_rounds_metrics": {"loss": 9.0}}
        }
    }
    assert round_metrics.evaluation_metrics(metrics) == {"loss": 1.0}
