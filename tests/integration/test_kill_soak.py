"""Killed with -9 at any moment and started again, a run ends in the same model bit for bit."""

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
_MAX_DELAY_S = 0.5

# Moments of a run: the file whose writing begins it, and the one after which it is over. Both are
# globs below the folder of the run and its cache.
_MOMENTS = {
    "start": ("run/data_report.json", "run/summary.json"),
    "cache": ("cache/**/*.tmp-*", "cache/**/*.pixels"),
    "cache filled": ("cache/**/*.pixels", "run/data_report.json"),
    "compile": ("run/data_report.json", "run/round_form/train"),
    "graphs saved": ("run/round_form/train/*", "run/round_form/evaluate"),
    "last graphs saved": ("run/round_form/evaluate/*", "run/round_form/evaluate/digests.json"),
    "metrics": ("run/metrics.csv", "run/checkpoints/round_3"),
    "best saved": ("run/best/unfinished.npz", "run/checkpoints/round_3"),
    "checkpoint save": ("run/checkpoints/round_*_temp*", "run/checkpoints/round_3"),
    "checkpoint": ("run/checkpoints/round_*", "run/checkpoints/round_3"),
    "last checkpoint": ("run/checkpoints/round_3", "run/baselines"),
    "baselines": ("run/baselines/*.json", "run/baselines/local-00002.json"),
    "baseline save": ("run/baselines/*.tmp", "run/baselines/local-00002.json"),
    "release": ("run/.model.partial", "run/model"),
    "release of the last": ("run/.model_last.partial", "run/model_last"),
    "pictures": ("run/model_last/weights.npz", "run/summary.json"),
    "curves": ("run/curves.png", "run/summary.json"),
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
    killed = dict.fromkeys(_MOMENTS, 0)
    number, folder, output = 0, tmp_path / "0", tmp_path / "output.txt"
    while True:
        folder.mkdir(exist_ok=True)
        process = start(*_flags(chain, folder), output=output)
        if sum(killed.values()) < _KILLS:
            # Of the moments still to come, the first that was killed least.
            ahead = [moment for moment in _MOMENTS if not list(folder.glob(_MOMENTS[moment][1]))]
            moment = min(ahead, key=lambda moment: killed[moment])
            delay_s = chance.uniform(0, _MAX_DELAY_S)
            if _kill(process, folder, _MOMENTS[moment][0], delay_s):
                killed[moment] += 1
                print(f"kill {sum(killed.values())} in run {number}: {moment} + {delay_s:.3f} s")
                continue
        assert process.wait() == 0, output.read_text()
        print(f"run {number} finished")
        assert what_it_made(folder / "run") == undisturbed
        number, folder = number + 1, tmp_path / f"{number + 1}"
        if sum(killed.values()) >= _KILLS:
            break
    print(f"{sum(killed.values())} kills over {number} runs: {killed}")
