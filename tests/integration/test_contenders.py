"""The benchmarks' contenders that run in this environment, as processes that take orders."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from benchmarks.workloads import WORKLOADS, write_examples

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_TIMEOUT_S = 120
_WORKLOAD = WORKLOADS["smoke"]
_CONTENDERS = {
    "step_loop": ["step_loop"],
    "limit": ["limit", "--threads=2"],
    "keras_fit": ["keras_fit"],
    "keras_fit, tuned": ["keras_fit", "--variant=tuned"],
}


@pytest.fixture(scope="module")
def contenders(tmp_path_factory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    folder = tmp_path_factory.mktemp("contenders")
    write_examples(_WORKLOAD, folder / "smoke.npz")
    started = {name: _start(words, folder) for name, words in _CONTENDERS.items()}
    yield started
    for process in started.values():
        process.kill()
        process.wait()


def _start(words: list[str], folder: pathlib.Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", f"benchmarks.contenders.{words[0]}", *words[1:]),
            *("--workload=smoke", f"--examples={folder / 'smoke.npz'}"),
        ],
        cwd=_CLONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _answer(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("name", _CONTENDERS)
def test_it_trains_on_the_cohort_when_told_to_and_ends_with_its_orders(contenders, name):
    process = contenders[name]
    ready = _answer(process)
    assert ready["is_ready"] is True
    assert set(ready["versions"]) == {"tensorflow", "keras"}
    for _ in range(2):
        process.stdin.write("round\n")
        process.stdin.flush()
        assert _answer(process) == {"num_examples": 80}
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == (2 if name == "limit" else 0)
    process.stdin.close()
    assert process.wait(_TIMEOUT_S) == 0
    assert process.stdout.read() == ""
    _, left = psutil.wait_procs(children, timeout=_TIMEOUT_S)
    assert left == []


def test_the_processes_of_the_limit_end_when_it_is_killed(tmp_path):
    write_examples(_WORKLOAD, tmp_path / "smoke.npz")
    process = _start(["limit", "--threads=1"], tmp_path)
    assert _answer(process)["is_ready"] is True
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait(_TIMEOUT_S)
    _, left = psutil.wait_procs(children, timeout=_TIMEOUT_S)
    assert left == []
