"""The stores' own metrics as a CSV file: any name, any column, torn anywhere."""

import csv
import pathlib

import pytest

from tff_retail.program.store_table import StoreTable, cut_rows

ODD_NAMES = ['a, "b"', "上海 1 号店", "two\nlines\r\n", " ", "not \udcff UTF-8"]


def _rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_store_and_round(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stores.csv"
    table = StoreTable(path, next_round=1)
    table.append(1, {"north": {"num_examples": 3, "loss": 0.5}, "south": {}})
    table.append(2, {"north": {"loss": 0.25, "num_examples": 3}})
    assert path.read_bytes() == (
        b"round,store,num_examples,loss\r\n1,north,3,0.5\r\n1,south,,\r\n2,north,3,0.25\r\n"
    )


def test_names_come_back_as_they_were(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stores.csv"
    StoreTable(path, next_round=1).append(1, {name: {"loss": 1.0} for name in ODD_NAMES})
    expected = [*ODD_NAMES[:-1], r"not \udcff UTF-8"]
    assert [row["store"] for row in _rows(path)] == expected


def test_a_column_that_comes_later_is_blank_before(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stores.csv"
    table = StoreTable(path, next_round=1)
    table.append(1, {"north": {"loss": 0.5}})
    table.append(2, {"north": {"loss": 0.25, "eval_top_1": 1.0}})
    assert _rows(path) == [
        {"round": "1", "store": "north", "loss": "0.5", "eval_top_1": ""},
        {"round": "2", "store": "north", "loss": "0.25", "eval_top_1": "1.0"},
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["stores.csv"]


def test_going_on_replaces_what_went_beyond(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stores.csv"
    table = StoreTable(path, next_round=1)
    for round_num in (1, 2, 3):
        table.append(round_num, {"north": {"loss": float(round_num)}})
    StoreTable(path, next_round=2).append(2, {"north": {"loss": 9.0}})
    assert [(row["round"], row["loss"]) for row in _rows(path)] == [("1", "1.0"), ("2", "9.0")]


def test_torn_at_any_byte_of_a_round_it_goes_on_from_there(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stores.csv"
    table = StoreTable(path, next_round=1)
    table.append(1, {name: {"loss": 1.0} for name in ODD_NAMES})
    kept = path.read_bytes()
    table.append(2, {name: {"loss": 2.0} for name in ODD_NAMES})
    whole = path.read_bytes()
    for torn in range(len(kept), len(whole)):
        path.write_bytes(whole[:torn])
        StoreTable(path, next_round=2).append(2, {name: {"loss": 2.0} for name in ODD_NAMES})
        assert path.read_bytes() == whole


def test_cutting_a_file_that_is_not_there_makes_none(tmp_path: pathlib.Path) -> None:
    cut_rows(tmp_path / "metrics.csv", 1)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_is_not_silent(tmp_path: pathlib.Path) -> None:
    table = StoreTable(tmp_path / "stores.csv", next_round=1)
    (tmp_path / "stores.csv").unlink()
    (tmp_path / "stores.csv").mkdir()
    with pytest.raises(OSError):
        table.append(1, {"north": {}})
