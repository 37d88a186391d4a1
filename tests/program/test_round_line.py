"""A round's line: what it says, with units, and what it leaves out when it is not known."""

import datetime

import pytest

from tff_retail.program.round_line import RoundLine

NOON = datetime.datetime(2026, 3, 1, 12, 0)


def _line(**values: object) -> RoundLine:
    known: dict[str, object] = dict(round_num=3, rounds=10, stores_done=4, stores_asked=5)
    return RoundLine(**{**known, **values})  # type: ignore[arg-type]


def test_a_whole_line() -> None:
    line = _line(
        train_loss=1.2346,
        train_top_1=0.456,
        eval_loss=1.5,
        eval_top_1=0.4321,
        worst_store="上海\n1",
        worst_top_1=0.25,
        seconds={"stores": 4.81, "merge": 0.11, "save": 0.001},
    )
    assert line.text() == (
        "round  3/10 | 4/5 stores | train loss 1.235 top-1 45.6 % | "
        "eval loss 1.500 top-1 43.2 %, worst 上海 1 25.0 % | 4.9 s: stores 4.8, merge 0.1"
    )


def test_a_round_without_evaluation_or_reports() -> None:
    assert _line().text() == "round  3/10 | 4/5 stores"
    assert _line(train_loss=float("nan")).text().endswith("train loss nan")


def test_a_name_of_200_characters_does_not_fill_the_line() -> None:
    line = _line(eval_top_1=0.5, worst_store="x" * 200)
    assert line.text().endswith("worst " + "x" * 29 + "...")


@pytest.mark.parametrize(
    ("eta_s", "expected"),
    [
        (None, ""),
        (37.4, "37 s left, ends 12:00"),
        (119.0, "119 s left, ends 12:01"),
        (600.0, "10 min left, ends 12:10"),
        (3 * 3600.0, "3.0 h left, ends 15:00"),
        (25 * 3600.0, "25.0 h left, ends 02 Mar 13:00"),
    ],
)
def test_the_estimated_end(eta_s: float | None, expected: str) -> None:
    assert _line(eta_s=eta_s).estimated_end(NOON) == expected


def test_after_the_last_round_nothing_is_left() -> None:
    assert _line(round_num=10, eta_s=0.0).estimated_end(NOON) == ""
