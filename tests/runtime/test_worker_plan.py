import pytest

from tff_retail.config import ConfigurationError, RuntimeConfig
from tff_retail.runtime.worker_plan import WorkerPlan, plan_workers


@pytest.mark.parametrize(
    ("config", "resources", "expected"),
    [
        (RuntimeConfig(), {"CPU": 8.0}, WorkerPlan(8, "cpu", 1, 0)),
        (RuntimeConfig(intra_op_threads=3), {"CPU": 8.0}, WorkerPlan(2, "cpu", 3, 0)),
        (RuntimeConfig(parallel_stores=5), {"CPU": 8.0}, WorkerPlan(5, "cpu", 1, 0)),
        (RuntimeConfig(), {"CPU": 90.0}, WorkerPlan(20, "cpu", 1, 0)),  # no more than stores
        (RuntimeConfig(), {"CPU": 8.0, "GPU": 2.0}, WorkerPlan(2, "gpu", 0, 1)),
        (RuntimeConfig(device="cpu"), {"CPU": 8.0, "GPU": 2.0}, WorkerPlan(8, "cpu", 1, 0)),
        # Several stores share a GPU: 5 on 2 are 3 and 2.
        (
            RuntimeConfig(parallel_stores=5),
            {"CPU": 8.0, "GPU": 2.0},
            WorkerPlan(5, "gpu", 0, 1 / 3),
        ),
    ],
)
def test_workers_of_a_cluster(config, resources, expected):
    assert plan_workers(config, resources, num_stores=20) == expected


def test_what_a_worker_computes_on():
    assert WorkerPlan(1, "cpu", 1, 0).device_name == ""
    assert WorkerPlan(1, "gpu", 0, 1).device_name == "/GPU:0"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (RuntimeConfig(device="gpu"), "--device must be auto or cpu where no node .*found 'gpu'"),
        (RuntimeConfig(parallel_stores=5), "--parallel_stores must be at most 4, .*found 5"),
        (RuntimeConfig(intra_op_threads=5), "--intra_op_threads must be at most 4, .*found 5"),
    ],
)
def test_a_cluster_that_is_too_small_is_told(config, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        plan_workers(config, {"CPU": 4.0}, num_stores=20)
