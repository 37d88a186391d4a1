import pathlib

from benchmarks import link_throughput
from benchmarks.measurement import Scratch


def test_both_ways_are_measured_in_pairs(tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setattr(link_throughput, "_NUM_STORES", 1)
    (row,) = link_throughput.measure(2, Scratch(tmp_path, tmp_path), sizes_mb=(1,))
    measured = {series.name: series.values for series in row.series}
    (comparison,) = row.comparisons
    assert row.title == "store link against plain TLS sockets, 1 stores, 1 MiB each way"
    ratios = zip(measured["store link"], measured["TLS sockets"], strict=True)
    assert comparison.values == tuple(link / sockets for link, sockets in ratios)
    assert comparison.at_most == 1.3
