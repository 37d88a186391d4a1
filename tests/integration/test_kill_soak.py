"""Killed with -9 at any moment and started again, a run ends in the same model bit for bit."""

import os
import pathlib
import random
from collections.abc import Collection

import pytest

from tests.train_command import SMALL, kill_after, make_chain, start, train, what_it_made

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


def _next_moment(folder: pathlib.Path, killed: dict[str, int], here: Collection[str]) -> str | None:
    """Of the moments to come in a run, the first that was killed least, but none twice."""
    ahead = [
        moment
        for moment, (_, end) in _MOMENTS.items()
        if moment not in here and not list(folder.glob(end))
    ]
    return min(ahead, key=lambda moment: killed[moment], default=None)


@pytest.mark.soak
def test_the_model_is_the_same_bit_for_bit(chain, undisturbed, tmp_path):
    chance = random.Random(_SEED)
    killed = dict.fromkeys(_MOMENTS, 0)
    output, num_runs = tmp_path / "output.txt", 0
    while sum(killed.values()) < _KILLS:
        folder = tmp_path / f"{num_runs}"
        folder.mkdir()
        _run_with_kills(_flags(chain, folder), folder, output, killed, chance)
        assert what_it_made(folder / "run") == undisturbed
        num_runs += 1
    print(f"{sum(killed.values())} kills over {num_runs} runs: {killed}")


def _run_with_kills(
    flags: list[str],
    folder: pathlib.Path,
    output: pathlib.Path,
    killed: dict[str, int],
    chance: random.Random,
) -> None:
    """Starts a run again and again until it is finished; counts kills in `killed`."""
    here: set[str] = set()
    while not (folder / "run" / "summary.json").exists():
        process = start(*flags, output=output)
        moment = _next_moment(folder, killed, here)
        delay_s = chance.uniform(0, _MAX_DELAY_S)
        if moment is None or sum(killed.values()) >= _KILLS:
            assert process.wait() == 0, output.read_text()
        elif kill_after(process, folder, _MOMENTS[moment][0], delay_s):
            here.add(moment)
            killed[moment] += 1
            print(f"kill {sum(killed.values())}: {moment} + {delay_s:.3f} s", flush=True)
        else:
            assert process.returncode == 0, output.read_text()
