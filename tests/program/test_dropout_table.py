import datetime

import pytest

from tff_retail.program.dropout_table import DropoutTable
from tff_retail.runtime.plain_collector import Outcome

NOON = "2026-11-21T12:00:00+00:00"


@pytest.fixture
def table(tmp_path):
    return DropoutTable(
        tmp_path / "dropouts.csv", now=lambda: datetime.datetime.fromisoformat(NOON)
    )


def _failed(name: str, code: str) -> Outcome:
    return Outcome(name, f"{name}: words of no account", {}, 0.0, code=code)


def test_who_dropped_out_why_since_when_and_how_often(table, tmp_path):
    done = Outcome("south", None, {}, 1.0)
    slow = Outcome("east", "east: not waited for", {}, 0.0, is_surplus=True)
    table.add(1, [done, slow])
    assert not (tmp_path / "dropouts.csv").exists()
    assert (table.to_json(), table.text()) == ({}, "")
    table.add(2, [done, _failed("north", "too_late")])
    table.add(4, [_failed("north", "too_late"), _failed("west, the", "hours")])
    table.add(4, [_failed("north", "out_of_memory")])  # another attempt
    assert table.to_json() == {
        "north": {
            "times": 3,
            "codes": {"too_late": 2, "out_of_memory": 1},
            "since_round": 2,
            "since": NOON,
            "last_code": "out_of_memory",
            "last_round": 4,
            "last": NOON,
        },
        "west, the": {
            "times": 1,
            "codes": {"hours": 1},
            "since_round": 4,
            "since": NOON,
            "last_code": "hours",
            "last_round": 4,
            "last": NOON,
        },
    }
    header, north, west = table.text().splitlines()
    assert north.split("  ")[0] == "north"
    assert "too_late 2, out_of_memory 1" in north
    assert west.split()[-2:] == ["4", "4"]


def test_rounds_that_are_done_again_count_once(table):
    table.add(2, [_failed("north", "too_late")])
    table.add(3, [_failed("north", "too_late")])
    table.begin(3)
    table.add(3, [_failed("north", "hours")])
    assert table.to_json()["north"]["codes"] == {"too_late": 1, "hours": 1}


def test_a_row_that_a_kill_cut_off_is_no_row(table, tmp_path):
    table.add(2, [_failed("north", "too_late")])
    with (tmp_path / "dropouts.csv").open("a") as file:
        file.write("3,nor")
    assert table.to_json()["north"]["times"] == 1
    table.begin(3)
    table.add(3, [_failed("north", "hours")])
    assert table.to_json()["north"]["times"] == 2


def test_no_words_of_a_store_are_kept(table, tmp_path):
    table.add(1, [_failed("north", "too_late")])
    assert "words" not in (tmp_path / "dropouts.csv").read_text()
