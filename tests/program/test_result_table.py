"""The table at a run's end."""

import unicodedata

from tff_retail.program.result_table import result_table


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_all_three_ways_and_where_things_lie() -> None:
    table = result_table(
        federated=0.874,
        central=0.92,
        local={"north": 0.46, "上海": 0.5},
        paths={"model": "runs/q/model", "curves": "runs/q/curves.png"},
    )
    assert table.splitlines() == [
        "accuracy (top-1)              of central",
        "trained federatedly   87.4 %        95 %",
        "trained centrally     92.0 %       100 %",
        "trained alone: north  46.0 %        50 %",
        "trained alone: 上海   50.0 %        54 %",
        "measured on the validation photographs of all stores",
        "",
        "model   runs/q/model",
        "curves  runs/q/curves.png",
    ]


def test_without_baselines() -> None:
    assert result_table(federated=0.5, measured_on="the test set").splitlines() == [
        "accuracy (top-1)",
        "trained federatedly  50.0 %",
        "measured on the test set",
    ]


def test_200_stores_are_the_best_the_median_and_the_worst() -> None:
    lines = result_table(
        federated=0.9, local={f"store {n}": n / 200 for n in range(200)}
    ).splitlines()
    assert [line.split(":")[1].strip() for line in lines[2:-1]] == [
        "store 199      99.5 %",
        "store 198      99.0 %",
        "store 197      98.5 %",
        "median of 200  49.8 %",
        "store 2         1.0 %",
        "store 1         0.5 %",
        "store 0         0.0 %",
    ]


def test_no_line_passes_100_columns() -> None:
    names = ["x" * 200, "上" * 200, "a\nb" * 50]
    table = result_table(federated=0.9, central=1.0, local=dict.fromkeys(names, 0.5))
    assert max(map(_width, table.splitlines())) <= 100
    assert len(table.splitlines()) == 7


def test_a_central_model_that_learned_nothing_divides_nothing() -> None:
    assert "of central" not in result_table(federated=0.5, central=0.0)
