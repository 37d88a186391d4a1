"""The skew study: its photographs, its rows, and how far the published order is met."""

import pytest

from benchmarks import skew_study


def _result(alpha, seed, federated, central=None):
    central = None if central is None else {"top_1": central}
    return {"alpha": alpha, "seed": seed, "federated": {"top_1": federated}, "central": central}


def _results(*federated):
    pairs = zip(skew_study.ALPHAS, federated, strict=True)
    return [_result(alpha, 1, value, 0.9 if alpha == 1.0 else None) for alpha, value in pairs]


def test_rows_are_means_over_seeds_beside_the_published():
    results = [_result(1.0, 1, 0.5, 0.75), _result(1.0, 2, 0.75, 0.75)]
    assert skew_study.skew_rows(results) == [
        {"setting": "central", "mean": 75.0, "sd": 0.0, "seeds": 2, "published": 87.6},
        {
            "setting": 1.0,
            "mean": 62.5,
            "sd": pytest.approx(17.68, abs=0.01),
            "seeds": 2,
            "published": 88.4,
        },
    ]


def test_the_order_is_compared_pair_by_pair():
    rows = skew_study.skew_rows(_results(0.95, 0.8, 0.7, 0.6))
    assert skew_study.agreeing_pairs(rows) == (10, 10)
    # As published but for central, which is above Dirichlet 1 here.
    assert skew_study.agreeing_pairs(skew_study.skew_rows(_results(0.85, 0.8, 0.7, 0.6))) == (9, 10)
    assert skew_study.agreeing_pairs(skew_study.skew_rows(_results(0.6, 0.7, 0.8, 0.85))) == (3, 10)


def test_the_table_sets_ours_beside_theirs():
    rows = skew_study.skew_rows(_results(0.85, 0.8, 0.7, 0.63))
    table = skew_study.skew_table(rows, rounds=8, num_evaluated=400)
    assert "| Dirichlet 0.1 | 63.0 | 70% | 79.0 | 90% |" in table
    assert "9 of 10 pairs" in table


def test_photographs_are_split_without_overlap(tmp_path, monkeypatch):
    monkeypatch.setattr(skew_study, "_NUM_SITES", 2)
    monkeypatch.setattr(skew_study, "_IMAGES_PER_STORE", 30)
    skew_study.write_photographs(tmp_path)
    train, test = (
        {path.relative_to(tmp_path / split) for path in (tmp_path / split).rglob("*.jpg")}
        for split in ("train", "test")
    )
    assert (len(train), len(test)) == (40, 20)
    assert not train & test


def test_central_runs_once_and_sites_stay_eight(tmp_path):
    runs = [skew_study.skew_run(tmp_path, alpha, 1, 8) for alpha in skew_study.ALPHAS]
    assert [run.config.compare_central for run in runs] == [True, False, False, False]
    assert {run.config.learning.local_epochs for run in runs} == {4}
