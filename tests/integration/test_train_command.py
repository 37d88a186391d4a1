"""`python -m tff_retail.train` as a user meets it: whole runs, kills, signals, mistakes."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from tests.train_command import (
    CLONE,
    LABELS,
    SMALL,
    STORES,
    kill_after,
    make_chain,
    processes_of,
    read_csv,
    start,
    train,
    wait_until,
    what_it_made,
)

# A round of so many epochs takes minutes: time to stop it in the middle.
_ENDLESS = 30_000
# A machine may be busy with other tests; on a free one it is less than a second.
_PROMPT_S = 15.0


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> pathlib.Path:
    return make_chain(tmp_path_factory.mktemp("train") / "chain")


@pytest.fixture(scope="module")
def finished(chain, tmp_path_factory) -> tuple[pathlib.Path, subprocess.CompletedProcess[str]]:
    """A run that nothing disturbs, two stores side by side."""
    run = tmp_path_factory.mktemp("finished") / "run"
    return run, train(*_flags(chain, run), "--parallel_stores=2")


def _flags(chain: pathlib.Path, run: pathlib.Path) -> tuple[str, ...]:
    baselines = ("--compare_central", "--compare_local")
    return (*SMALL, *baselines, f"--data_dir={chain}", f"--output_dir={run}")


def test_a_run_trains_compares_and_shows(finished):
    run, done = finished
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(" | ")[0] for line in done.stdout.splitlines() if " | " in line] == [
        f"round {number}/3" for number in (1, 2, 3)
    ]
    assert "trained federatedly" in done.stdout
    assert f"model        {run}/model" in done.stdout
    for name in ("curves.png", "predictions.png"):
        with Image.open(run / name) as picture:
            assert picture.format == "PNG"
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["num_stores"] == len(STORES)
    assert summary["rounds_completed"] == 3
    assert summary["images_per_second"] > 0
    assert summary["local_accuracy"].keys() == set(STORES)
    assert 0 <= summary["central_accuracy"] <= 1
    assert [row["round"] for row in read_csv(run / "metrics.csv")] == ["1", "2", "3"]
    assert what_it_made(run)["events"] == [1, 2, 3]


def test_the_released_model_needs_nothing_of_ours(finished):
    import tensorflow as tf

    run, _ = finished
    for name in ("model", "model_last"):
        model = tf.saved_model.load(str(run / name))
        assert model.signatures["serving_default"].structured_outputs
        labels = (run / name / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines()
        assert labels == sorted(LABELS)


def test_a_finished_run_says_so(finished, chain):
    run, _ = finished
    made = what_it_made(run)
    again = train(*_flags(chain, run))
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"{run} holds a finished run; nothing to do\n")
    assert what_it_made(run) == made


def test_another_configuration_is_refused(finished, chain):
    run, _ = finished
    other = train(*_flags(chain, run), "--batch_size=16", "--seed=2")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr == (
        f"error: --output_dir must be of the same configuration, found '{run}' made with "
        "--batch_size=8 where this run has 16; --seed=1 where this run has 2; choose another "
        "folder or the old settings\n"
    )


def test_killed_twice_and_one_store_at_a_time_it_is_the_same_bit_for_bit(finished, chain, tmp_path):
    flags = (*_flags(chain, tmp_path / "run"), "--parallel_stores=1")
    output = tmp_path / "output.txt"
    for moment in ("run/checkpoints/round_1", "run/.model.partial"):
        assert kill_after(start(*flags, output=output), tmp_path, moment), output.read_text()
    last = train(*flags)
    assert (last.returncode, last.stderr) == (0, "")
    assert "compiling" not in last.stdout
    assert "going on after round 3" in last.stdout
    assert what_it_made(tmp_path / "run") == what_it_made(finished[0])


def _stop(process: subprocess.Popen[bytes], signum: int) -> int:
    """Sends a signal as a terminal does, to the whole group; the exit code."""
    sent = time.monotonic()
    process.send_signal(signum)
    code = process.wait(timeout=120)
    assert time.monotonic() - sent < _PROMPT_S
    assert processes_of(process.pid) == []
    return code


def _assert_stopped(output: pathlib.Path, run: pathlib.Path) -> None:
    said = output.read_text(encoding="utf-8")
    assert said.splitlines()[-1] == (
        f"stopped; what is done is kept in {run}: start the same command again to go on"
    )
    assert "Traceback" not in said


def test_stopped_while_it_compiles_and_in_the_middle_of_a_round(chain, tmp_path):
    run, output = tmp_path / "run", tmp_path / "output.txt"
    flags = (*SMALL, f"--local_epochs={_ENDLESS}", f"--data_dir={chain}", f"--output_dir={run}")
    compiling = start(*flags, output=output)
    assert wait_until(lambda: "compiling" in output.read_text(), compiling)
    assert _stop(compiling, signal.SIGINT) == 130
    _assert_stopped(output, run)

    training = start(*flags, output=output)
    assert wait_until((run / "metrics.csv").exists, training)
    second = train(*flags)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (
        f"error: --output_dir must be used by one process at a time, found '{run}' in use; wait "
        "for the other run or choose another folder\n"
    )
    assert _stop(training, signal.SIGTERM) == 143
    _assert_stopped(output, run)
    assert "round 1/3" not in output.read_text()  # it was in the middle of it


def test_stopped_while_baselines_are_trained(finished, chain, tmp_path):
    run, output = tmp_path / "run", tmp_path / "output.txt"
    shutil.copytree(finished[0], run)
    (run / "summary.json").unlink()
    shutil.rmtree(run / "baselines")
    comparing = start(*_flags(chain, run), output=output)
    assert wait_until(lambda: "training 4 baselines" in output.read_text(), comparing)
    assert _stop(comparing, signal.SIGINT) == 130
    _assert_stopped(output, run)
    assert not (run / "summary.json").exists()


def test_stopped_while_photographs_are_decoded(tmp_path):
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((6000, 6000)).convert("RGB").save(stream, "JPEG")
    for label in ("a", "b"):
        folder = tmp_path / "chain" / "store" / label
        folder.mkdir(parents=True)
        for number in range(100):  # what follows a picture makes it another file
            content = stream.getvalue() + f"{label}{number}".encode()
            (folder / f"{number}.jpg").write_bytes(content)
    run, output = tmp_path / "run", tmp_path / "output.txt"
    cache = tmp_path / "cache"
    flags = (*SMALL, f"--data_dir={tmp_path / 'chain'}", f"--cache_dir={cache}")
    decoding = start(*flags, f"--output_dir={run}", output=output)
    assert wait_until(lambda: list(cache.glob("**/lock")), decoding)
    assert _stop(decoding, signal.SIGINT) == 130
    assert output.read_text().startswith("stopped; what is done is kept in")
    assert not (run / "data_report.json").exists()


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (
            ["--rouns=3"],
            "Unknown command line flag 'rouns'. Did you mean: round_deadline_s, rounds ?",
        ),
        (["holiday.jpg"], "train takes flags only, found 'holiday.jpg'; see --help"),
        (["--flagfile=prod.flags"], "--data_dir must say where the stores are, found nothing; "),
        (["--data_dir=gone"], "--data_dir must be an existing folder, found 'gone'; check the pa"),
    ],
)
def test_a_mistake_is_one_sentence(flags, sentence, tmp_path):
    command = [sys.executable, "-m", "tff_retail.train", *flags, f"--output_dir={tmp_path / 'run'}"]
    done = subprocess.run(
        command,
        cwd=tmp_path,  # where there is no configs/
        env={**os.environ, "PYTHONPATH": str(CLONE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
