"""The benchmarks of rounds over links: what they compare, and one real run of a tiny model."""

import pathlib
import socket

import numpy as np
import pytest
from tensorflow_federated.proto.v0 import executor_pb2

from benchmarks import many_links, remote_rounds, resident_memory, scale_page
from benchmarks.contenders import round_stores
from benchmarks.headquarters_process import MeasuredRounds, measure_rounds
from benchmarks.measurement import Scratch
from benchmarks.round_model import RoundModel
from benchmarks.tcp_traffic import tcp_traffic

ROUND = {
    "seconds": 0.5,
    "simulated_seconds": 0.1,
    "plain_seconds": 0.2,
    "cpu_seconds": 0.3,
    "peak_bytes": 2_500_000,
    "sent_bytes": 5_050_000,
    "received_bytes": 5_000_000,
}
MEASURED = MeasuredRounds(
    {
        "model_bytes": 1_000_000,
        "connect_seconds": 2.0,
        "connect_cpu": 1.0,
        "connected_bytes": 300_000,
        "rounds": [ROUND, ROUND],
    }
)


@pytest.fixture
def measured(monkeypatch):
    for module in (remote_rounds, many_links):
        monkeypatch.setattr(module, "measure_rounds", lambda scratch, name, flags: MEASURED)


def test_a_round_is_compared_with_plain_sockets_and_the_simulation(tmp_path, measured):
    (row,) = remote_rounds.measure(2, Scratch(tmp_path, tmp_path), sizes_mb=(1.0,))
    assert [one.reached for one in row.comparisons] == pytest.approx([2.0, 400.0, 1.01, 1.0, 2.5])
    assert [one.at_most for one in row.comparisons] == [2.0, 50.0, 1.02, 1.02, None]


def test_memory_may_grow_by_100_kb_a_store(tmp_path, measured):
    rows = many_links.measure(2, Scratch(tmp_path, tmp_path), counts=(10, 1000))
    assert [row.comparisons[0].at_most for row in rows] == [4.0, 103.0]
    assert rows[0].comparisons[0].reached == 2.5


def test_the_page_gets_the_tables(tmp_path, measured):
    page = tmp_path / "scale.md"
    page.write_text("# Scale\n<!-- many_links begins -->\nold\n<!-- many_links ends -->\n")
    rows = many_links.measure(2, Scratch(tmp_path, tmp_path), counts=(10,))
    scale_page.write_scale_section(page, "many_links", rows)
    text = page.read_text()
    assert "| 10 connected stores, 1 MB each way | round | 0.50 s |" in text
    assert "old" not in text


def test_traffic_is_what_the_kernel_counted():
    with socket.create_server(("localhost", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            before = tcp_traffic()
            near.sendall(bytes(100_000))
            far.recv(100_000, socket.MSG_WAITALL)
            after = tcp_traffic()
    assert (after[0] - before[0], after[1] - before[1]) == (100_000, 100_000)


def test_the_peak_begins_anew():
    large = np.ones(64 << 20, np.uint8)
    del large
    resident_memory.forget_peak()
    assert resident_memory.peak_bytes() - resident_memory.resident_bytes() < 16 << 20


def test_the_prepared_reference_is_that_of_the_protocol():
    for kind in (executor_pb2.CreateValueResponse, executor_pb2.CreateCallResponse):
        assert kind.FromString(round_stores._REFERENCE).value_ref.id == "v"
    opened = executor_pb2.GetExecutorResponse.FromString(round_stores._REFERENCE)
    assert opened.executor.id == "v"


def test_a_model_has_about_the_bytes_that_were_asked_for():
    assert RoundModel.of_bytes(10_000_000).num_bytes == 10_000_000


def test_rounds_over_stores_that_answer_at_once(tmp_path: pathlib.Path):
    flags = ["--megabytes=0.1", "--stores=3", "--processes=2", "--rounds=2"]
    found = measure_rounds(Scratch(tmp_path, tmp_path), "test", flags)
    for name in ("sent_bytes", "received_bytes"):
        for moved in found.of_rounds(name):
            assert found.model_bytes <= moved / 3 < 1.3 * found.model_bytes
    assert len(found.values["rounds"]) == 2
