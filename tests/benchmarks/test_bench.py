import json
import pathlib

import pytest
from PIL import Image

from benchmarks import bench
from benchmarks.bench_picture import draw_speeds
from benchmarks.bench_table import row_text, targets_markdown, targets_text
from benchmarks.benchmark_list import BENCHMARKS, Benchmark, chosen_benchmarks
from benchmarks.machine import describe_machine, machine_text
from benchmarks.performance_page import BEGIN, END, write_performance_page
from benchmarks.row import Comparison, Row, Series
from benchmarks.speed_rows import SPEED_ROWS

_ROW = Row(
    name="many_small",
    title="many small stores",
    series=(
        Series(name="tff_retail", unit="images/s", values=(2000.0, 2500.0, 3000.0)),
        Series(name="limit", unit="images/s", values=(3000.0, 3000.0, 3000.0)),
    ),
    comparisons=(
        Comparison(name="of the limit", values=(0.66, 0.83, 1.0), at_least=0.9, of="limit"),
        Comparison(name="of pfl", at_least=1.5, remark="missing: pfl"),
        Comparison(name="memory", unit="MiB", values=(870.4,), at_most=900),
        Comparison(name="only told", values=(12.34,)),
    ),
    missing={"pfl": "not installed"},
    measured_at="2026-11-21T08:00:00+00:00",
    seconds=61.2,
)


def test_each_target_stands_beside_what_was_reached():
    assert targets_text([_ROW]).splitlines() == [
        "workload                against     target       reached  met",
        "many small stores  of the limit   ≥ 0.90 ×        0.83 ×   no",
        "                         of pfl   ≥ 1.50 ×  not measured   no",
        "                         memory  ≤ 900 MiB       870 MiB  yes",
        "                      only told          –        12.3 ×    –",
    ]


def test_the_row_tells_medians_spread_and_who_is_missing():
    text = row_text(_ROW)
    assert "2,500 images/s  2,250 – 2,750" in text
    assert "pfl: missing, not installed" in text


def test_markdown_has_a_line_a_target():
    lines = targets_markdown([_ROW]).splitlines()
    assert lines[2] == "| many small stores | of the limit | ≥ 0.90 × | 0.83 × | no |"
    assert lines[3] == "|  | of pfl (missing: pfl) | ≥ 1.50 × | not measured | no |"
    assert len(lines) == 6


def test_the_page_is_written_between_its_marks(tmp_path: pathlib.Path):
    results = tmp_path / "bench.json"
    values = {"machine": describe_machine(), "command": "make bench", "rows": [_ROW.to_json()]}
    results.write_text(json.dumps(values), encoding="utf-8")
    page = tmp_path / "performance.md"
    page.write_text(
        f"# Performance\n\n{BEGIN}\nstale figures\n{END}\n\nReasons.\n", encoding="utf-8"
    )
    for _ in range(2):  # again changes nothing
        write_performance_page(results, tmp_path)
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# Performance\n\n{BEGIN}\n")
        assert text.endswith(f"{END}\n\nReasons.\n")
        assert "stale" not in text
        assert "Measured from 2026-11-21T08:00 to 2026-11-21T08:00" in text
        assert text.count("| ≥ 0.90 × | 0.83 × | no |") == 1
    with Image.open(tmp_path / "performance.png") as picture:
        assert picture.width > 500


def test_a_page_without_marks_is_refused(tmp_path: pathlib.Path):
    (tmp_path / "bench.json").write_text('{"rows": []}', encoding="utf-8")
    (tmp_path / "performance.md").write_text("# Performance", encoding="utf-8")
    with pytest.raises(ValueError, match="must have the lines"):
        write_performance_page(tmp_path / "bench.json", tmp_path)


def test_without_speeds_there_is_no_picture(tmp_path: pathlib.Path):
    row = Row(name="memory", title="memory", comparisons=(Comparison(name="to 10"),))
    assert not draw_speeds([row], tmp_path / "bench.png")
    assert list(tmp_path.iterdir()) == []


def test_the_machine_is_described():
    machine = describe_machine()
    json.dumps(machine)
    text = machine_text(machine)
    assert f"{machine['cores']} cores" in text
    assert "tensorflow-federated 0.87.0" in text


def test_rows_are_chosen_by_name():
    assert chosen_benchmarks("") == list(BENCHMARKS)
    assert [one.module for one in chosen_benchmarks("memory,process_next")] == ["speed", "memory"]
    with pytest.raises(ValueError, match="found no_such_row"):
        chosen_benchmarks("memory,no_such_row")


def test_every_benchmark_is_a_module_and_speed_rows_are_all_measured():
    rows = [row for benchmark in BENCHMARKS for row in benchmark.rows]
    assert len(rows) == len(set(rows))
    assert set(SPEED_ROWS) <= set(rows)
    for benchmark in BENCHMARKS:
        assert (pathlib.Path(bench.__file__).with_name(f"{benchmark.module}.py")).exists()


def test_a_benchmark_that_fails_becomes_rows_that_say_so(tmp_path: pathlib.Path):
    failing = Benchmark(module="machine", rows={"a": "row a"}, arguments=())  # writes no file
    (row,) = bench.run_benchmark(failing, tmp_path)
    assert (row.name, row.title) == ("a", "row a")
    assert "exit code 0" in row.missing["a"]
    late = Benchmark(module="machine", rows={"a": "row a"}, arguments=(), limit_s=0.0)
    (row,) = bench.run_benchmark(late, tmp_path)
    assert "took more than 0 s" in row.missing["a"]
