"""Killed with -9 at any moment and started again, a run ends in the same model bit for bit."""

import collections
import contextlib
import os
import pathlib
import random
import signal
import time

import pytest

from tests.train_command import SMALL, make_chain, start, train, wait_until, what_it_made

_BASELINES = ("--compare_central", "--compare_local")
_KILLS = int(os.environ.get("TFF_RETAIL_SOAK_KILLS", "24"))
_SEED = int(os.environ.get("TFF_RETAIL_SOAK_SEED", "1"))
_MAX_DELAY_S = 0.3

# What to wait for before a kill: a glob below the folder of a run and its cache. The first word
# says what the process is then in the middle of.
_MOMENTS = {
    "start": "run/data_report.json",
    "cache": "cache/**/*.tmp-*",
    "cache filled": "cache/**/*.pixels",
    "compile": "run/round_form/train/initialize.pb.tmp",
    "graphs saved": "run/round_form/train/*",
    "all graphs saved": "run/round_form/evaluate/digests.json",
    "metrics": "run/metrics.csv",
    "best saved": "run/best/unfinished.npz",
    "checkpoint save": "run/checkpoints/round_*_temp*",
    "checkpoint": "run/checkpoints/round_2",
    "last checkpoint": "run/checkpoints/round_3",
    "baselines": "run/baselines/*.json",
    "baseline save": "run/baselines/*.tmp",
    "release": "run/.model.partial",
    "release of the last": "run/.model_last.partial",
    "pictures": "run/model_last/weights.npz",
    "curves": "run/curves.png",
}


def _kill(process, folder: pathlib.Path, pattern: str, delay_s: float) -> bool:
    """Kills a process some time after it writes a file; False where it ended first."""
    before = _versions(folder, pattern)
    if wait_until(lambda: _versions(folder, pattern) - before, process):
        time.sleep(delay_s)  # a kill between two events is the point of it
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def _versions(folder: pathlib.Path, pattern: str) -> set[tuple[pathlib.Path, int]]:
    """Files that match, each with the time of its last change."""
    found = set()
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # gone by now
            found.add((path, path.stat().st_mtime_ns))
    return found


def _flags(chain: pathlib.Path, folder: pathlib.Path) -> list[str]:
    return [
        *SMALL,
        *_BASELINES,
        f"--data_dir={chain}",
        f"--cache_dir={folder / 'cache'}",
        f"--output_dir={folder / 'run'}",
    ]


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> pathlib.Path:
    return make_chain(tmp_path_factory.mktemp("soak") / "chain")


@pytest.fixture(scope="module")
def undisturbed(chain, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = train(*_flags(chain, folder))
    assert done.returncode == 0, done.stderr
    return what_it_made(folder / "run")


@pytest.mark.soak
def test_the_model_is_the_same_bit_for_bit(chain, undisturbed, tmp_path):
    chance = random.Random(_SEED)
    moments: list[str] = []
    killed: collections.Counter[str] = collections.Counter()
    number, folder, tries = 0, tmp_path / "0", 0
    while sum(killed.values()) < _KILLS or not (folder / "run" / "summary.json").exists():
        if (folder / "run" / "summary.json").exists():
            number, folder = number + 1, tmp_path / f"{number + 1}"
        folder.mkdir(exist_ok=True)
        output = tmp_path / f"{number}-{tries}.txt"
        process = start(*_flags(chain, folder), output=output)
        tries += 1
        if sum(killed.values()) >= _KILLS:
            assert process.wait() == 0, output.read_text()
        else:
            moments = moments or chance.sample(sorted(_MOMENTS), len(_MOMENTS))
            moment, delay_s = moments.pop(), chance.uniform(0, _MAX_DELAY_S)
            if _kill(process, folder, _MOMENTS[moment], delay_s):
                killed[moment] += 1
                print(f"kill {sum(killed.values())} in run {number}: {moment} + {delay_s:.3f} s")
                continue
            assert process.returncode == 0, output.read_text()
        print(f"run {number} finished")
        assert what_it_made(folder / "run") == undisturbed
    print(f"{sum(killed.values())} kills, {number + 1} runs, {dict(killed)}")
