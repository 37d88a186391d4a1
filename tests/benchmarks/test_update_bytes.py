import json

import pytest

from benchmarks import update_bytes


def _result(update, broadcast, seed, top_1, up=1.0, down=1.0):
    return {
        "update_dtype": update,
        "broadcast_dtype": broadcast,
        "seed": seed,
        "federated": {"top_1": top_1},
        "up": up,
        "down": down,
    }


RESULTS = [
    _result("int4", "float32", 1, 0.88, up=0.134),
    _result("float32", "float32", 1, 0.90),
    _result("float32", "float32", 2, 0.70),
    _result("int4", "float32", 2, 0.72, up=0.134),
]


def test_a_setting_is_compared_with_float32_seed_by_seed():
    first, second = update_bytes.update_rows(RESULTS)
    assert (first["update_dtype"], first["cost"], first["cost_sd"]) == ("float32", 0, 0)
    assert (second["update_dtype"], second["up"], second["seeds"]) == ("int4", 0.134, 2)
    assert second["mean"] == pytest.approx(80.0)
    assert second["cost"] == pytest.approx(0.0)
    assert second["cost_sd"] == pytest.approx(2.83, abs=0.01)


def test_the_table_says_bytes_accuracy_and_loss():
    rows = update_bytes.update_rows(RESULTS)
    table = update_bytes.update_table(json.loads(json.dumps(rows)), rounds=8, num_evaluated=400)
    assert "| int4 | float32 | 0.134 | 1.000 | 80.0 ± 11.3 | +0.0 ± 2.8 |" in table
    assert "on 400 photographs, which know the accuracy of one model to ± 2.0." in table


def test_float32_both_ways_comes_first():
    assert update_bytes.DTYPES[0] == ("float32", "float32")
