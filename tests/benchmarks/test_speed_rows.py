import pathlib

import pytest

from benchmarks.contender_process import CLONE
from benchmarks.measurement import Scratch
from benchmarks.paired_rounds import PairedRounds, Timing
from benchmarks.speed import measure
from benchmarks.speed_rows import CONTENDERS, SPEED_ROWS, Target
from benchmarks.workloads import WORKLOADS


def _rounds(**speeds: tuple[float, ...]) -> PairedRounds:
    return PairedRounds(images_per_second=speeds, missing={}, versions={}, idle_load=0.0)


def test_the_fastest_of_several_counts_and_ratios_are_paired():
    rounds = _rounds(ours=(20.0, 30.0, 30.0), slow=(5.0, 5.0, 50.0), fast=(10.0, 10.0, 20.0))
    comparison = Target("of the best", ("slow", "fast"), 1.5, "ours").compare(rounds)
    assert comparison.of == "fast"
    assert comparison.values == (2.0, 3.0, 1.5)
    assert comparison.is_met
    assert comparison.remark == "best is fast"


def test_a_target_says_who_is_missing():
    rounds = _rounds(ours=(20.0,), slow=(5.0,))
    comparison = Target("of the best", ("slow", "fast"), 1.5, "ours").compare(rounds)
    assert comparison.of == "slow"
    assert comparison.remark == "best is slow; missing: fast"
    nothing = Target("of it", ("fast",), 1.5, "ours").compare(rounds)
    assert (nothing.reached, nothing.is_met, nothing.remark) == (None, False, "missing: fast")


def test_rows_name_workloads_and_contenders_that_are_there():
    for row in SPEED_ROWS.values():
        assert row.workload in WORKLOADS
        compared = {name for target in row.targets for name in (target.ours, *target.theirs)}
        assert compared == set(row.contenders) <= set(CONTENDERS)


def test_rows_timed_together_are_of_one_workload(tmp_path: pathlib.Path):
    with pytest.raises(ValueError, match="one workload"):
        measure(
            ["many_small", "resnet18_32"],
            timing=Timing(),
            scratch=Scratch(tmp_path, tmp_path),
            say=print,
        )


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=list(CONTENDERS))
def test_every_contender_has_its_script(contender):
    assert (CLONE / contender.module.replace(".", "/")).with_suffix(".py").exists()
