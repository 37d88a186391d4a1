import json

import pytest

from benchmarks.row import Comparison, Row, Series, missing_row, paired_ratios


def test_ratios_are_taken_within_a_repetition():
    assert paired_ratios((10.0, 30.0), (5.0, 10.0)) == (2.0, 3.0)
    with pytest.raises(ValueError):
        paired_ratios((1.0,), (1.0, 2.0))


def test_median_and_quartiles():
    series = Series(name="a", unit="s", values=(5.0, 1.0, 3.0, 2.0, 4.0))
    assert series.median == 3.0
    assert series.quartiles == (2.0, 4.0)
    assert Series(name="a", unit="s", values=(2.0, 1.0)).quartiles == (1.0, 2.0)


@pytest.mark.parametrize(
    ("values", "at_least", "at_most", "is_met"),
    [
        ((0.8, 1.3, 1.4), 1.3, None, True),  # the median counts
        ((1.29,), 1.3, None, False),
        ((10.0,), None, 10.0, True),
        ((10.1,), None, 10.0, False),
        ((1.04,), 0.95, 1.05, True),
        ((0.94,), 0.95, 1.05, False),
        ((), 1.3, None, False),
    ],
)
def test_a_target_is_met_by_the_median(values, at_least, at_most, is_met):
    comparison = Comparison(name="a", values=values, at_least=at_least, at_most=at_most)
    assert comparison.has_target
    assert comparison.is_met == is_met


def test_a_row_survives_json():
    row = Row(
        name="memory",
        title="memory",
        series=(Series(name="10 stores", unit="MiB", values=(870.0, 880.0)),),
        comparisons=(Comparison(name="to 10", values=(1.01,), at_least=0.95, at_most=1.05),),
        missing={"pfl": "not there"},
        versions={"limit": {"tensorflow": "2.14.1"}},
        remarks=("told",),
        seconds=12.5,
    )
    assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row
    assert row.to_json()["series"][0]["median"] == 875.0
    assert row.to_json()["comparisons"][0]["is_met"] is True


def test_a_row_that_could_not_be_measured_meets_nothing():
    row = missing_row("memory", "memory, peak", "took too long")
    assert not any(comparison.is_met for comparison in row.comparisons)
    assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row
