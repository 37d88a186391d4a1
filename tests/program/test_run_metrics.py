"""What Prometheus reads, and where."""

import types
import urllib.error
import urllib.request

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.fleet_status import FleetStatus
from tff_retail.program.metrics_endpoint import MetricsEndpoint, metrics_text
from tff_retail.program.round_line import RoundLine
from tff_retail.program.run_metrics import RunMetrics
from tff_retail.runtime.plain_collector import Outcome


class _Console:
    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *arguments))


def test_the_text_format():
    text = metrics_text(
        {
            "stores": ("How many.", {"": 3}),
            "seconds{phase}": ('Of "a\\b".', {'sa"ving\\': 0.25, "all\n": 1}),
            "nothing": ("Not known.", {}),
        }
    )
    assert text == (
        "# HELP stores How many.\n# TYPE stores gauge\nstores 3\n"
        '# HELP seconds Of "a\\b".\n# TYPE seconds gauge\n'
        'seconds{phase="all\\n"} 1\nseconds{phase="sa\\"ving\\\\"} 0.25\n'
    )


def test_a_large_number_keeps_its_digits():
    assert "\nrounds 123456789\n" in metrics_text({"rounds": ("So many.", {"": 123456789})})


def test_the_last_round_and_the_stores_are_told(tmp_path):
    status, console = FleetStatus(tmp_path / "s", run="first", address="-"), _Console()
    metrics = RunMetrics(console, status)
    assert "tff_retail_round " not in metrics.text()
    metrics.round_started(2, 5)
    line = RoundLine(
        round_num=2, rounds=5, stores_done=2, stores_asked=3, eval_top_1=0.5, seconds={"saving": 2}
    )
    status.collected(2, [Outcome("north", None, {}, 1.5)])
    metrics.round_finished(line)
    metrics.round_finished(line)
    lines = metrics.text().splitlines()
    for expected in (
        "tff_retail_round 2",
        "tff_retail_rounds 5",
        "tff_retail_stores_done 2",
        "tff_retail_results_missed 2",
        "tff_retail_eval_top_1 0.5",
        'tff_retail_round_seconds{phase="saving"} 2',
        'tff_retail_store_ready{store="north"} 0',
        'tff_retail_store_last_round{store="north"} 2',
        'tff_retail_store_seconds{store="north"} 1.5',
    ):
        assert expected in lines
    assert not any(line.startswith("tff_retail_train_loss") for line in lines)
    assert console.told == [
        ("round_started", 2, 5),
        ("round_finished", line),
        ("round_finished", line),
    ]
    assert status.to_json()["state"] == "training"


@pytest.fixture
def endpoint():
    served = types.SimpleNamespace(text="a 1\n")
    endpoint = MetricsEndpoint("localhost:0", lambda: served.text)
    yield endpoint
    endpoint.close()


def _get(endpoint, path):
    # No proxy: the machine may have one for the rest of the world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(f"http://{endpoint.address}{path}", timeout=30)


def test_it_is_served_at_its_path_alone(endpoint):
    with _get(endpoint, "/metrics") as answer:
        assert answer.read() == b"a 1\n"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(endpoint, "/")


def test_an_address_in_use_is_one_sentence(endpoint):
    with pytest.raises(ConfigurationError, match="^--metrics_address must be a free address"):
        MetricsEndpoint(endpoint.address, str)
