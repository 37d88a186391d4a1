import pathlib

import psutil
import pytest

from benchmarks.contender_process import Contender
from benchmarks.paired_rounds import PairedRounds, Timing, run_paired_rounds

_QUICK = Timing(repetitions=3, warm_up_rounds=1, ready_limit_s=60.0, round_limit_s=60.0)


def _contender(
    name: str,
    behaviour: str = "",
    *,
    module: str = "tests.benchmarks.fake_contender",
    environment: str | None = None,
) -> Contender:
    arguments = (f"--name={name}", f"--behaviour={behaviour}")
    return Contender(name=name, module=module, arguments=arguments, environment=environment)


def _run(folder: pathlib.Path, *contenders: Contender, timing: Timing = _QUICK) -> PairedRounds:
    return run_paired_rounds(
        contenders,
        [f"--diary={folder / 'diary'}"],
        timing=timing,
        log_dir=folder,
        say=lambda text: None,
    )


def _processes_left(folder: pathlib.Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or [])
    ]


def test_repetitions_interleave_in_rotated_order(tmp_path: pathlib.Path):
    rounds = _run(tmp_path, _contender("a"), _contender("b"), _contender("c"))
    diary = "".join((tmp_path / "diary").read_text().split())
    warm_up, *repetitions = [diary[start : start + 3] for start in range(0, len(diary), 3)]
    first = warm_up  # the order in which they became ready does not matter, only its rotation
    assert sorted(first) == ["a", "b", "c"]
    assert repetitions == [first, first[1:] + first[:1], first[2:] + first[:2]]
    assert {name: len(values) for name, values in rounds.images_per_second.items()} == {
        "a": 3,
        "b": 3,
        "c": 3,
    }
    assert rounds.missing == {}
    assert rounds.versions["a"] == {"fake": "1.0"}
    assert rounds.idle_load < 0.5


def test_no_repetition_begins_after_the_budget_but_the_least(tmp_path: pathlib.Path):
    timing = Timing(repetitions=9, min_repetitions=2, warm_up_rounds=0, budget_s=0.0)
    rounds = _run(tmp_path, _contender("a"), timing=timing)
    assert len(rounds.images_per_second["a"]) == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("ends at once", "exit code 1: no such pictures"),
        ("dies in round 2", "exit code 3"),
        ("hangs in round 2", "a round took over 2 s"),
    ],
)
def test_a_contender_that_fails_is_missing_and_the_others_go_on(
    tmp_path: pathlib.Path, behaviour: str, reason: str
):
    timing = Timing(repetitions=3, warm_up_rounds=0, round_limit_s=2.0)
    rounds = _run(tmp_path, _contender("good"), _contender("bad", behaviour), timing=timing)
    assert list(rounds.images_per_second) == ["good"]
    assert len(rounds.images_per_second["good"]) == 3
    assert reason in rounds.missing["bad"]
    assert _processes_left(tmp_path) == []


def test_a_contender_not_ready_in_time_is_missing(tmp_path: pathlib.Path):
    timing = Timing(ready_limit_s=0.5)
    rounds = _run(tmp_path, _contender("late", "never ready"), timing=timing)
    assert rounds.images_per_second == {}
    assert "not ready after 0.5 s" in rounds.missing["late"]
    assert _processes_left(tmp_path) == []


def test_a_contender_without_environment_or_script_is_missing(tmp_path: pathlib.Path):
    rounds = _run(
        tmp_path,
        _contender("good"),
        _contender("not made", environment="no_such_peer"),
        _contender("not written", module="benchmarks.contenders.no_such_script"),
    )
    assert list(rounds.images_per_second) == ["good"]
    assert "make peers" in rounds.missing["not made"]
    assert "no_such_script" in rounds.missing["not written"]


def test_what_a_contender_started_is_ended_too(tmp_path: pathlib.Path):
    _run(tmp_path, _contender("a", "leaves a daemon"))
    pid = int((tmp_path / "diary.pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert _processes_left(tmp_path) == []


def test_an_interrupt_ends_all(tmp_path: pathlib.Path):
    def interrupt(text: str) -> None:
        if "repetition 1" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_paired_rounds(
            [_contender("a"), _contender("b")],
            [f"--diary={tmp_path / 'diary'}"],
            timing=_QUICK,
            log_dir=tmp_path,
            say=interrupt,
        )
    assert _processes_left(tmp_path) == []
