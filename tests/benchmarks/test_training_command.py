import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from benchmarks import first_round
from benchmarks.contender_process import CLONE
from benchmarks.noise_chain import write_noise_chain
from benchmarks.training_command import TrainingCommand, TrainingFailed

_LIMIT_S = 60.0
# A long round tells of its stores before it has its line.
_PROGRAM = "print('round 1/50: 3/5'); print('round  1/50 | …'); print('end')"


def _command(folder: pathlib.Path, program: str) -> TrainingCommand:
    """A program in the place of the training command."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    return TrainingCommand(process, started, folder / "log")


def test_seconds_until_a_line(tmp_path: pathlib.Path):
    command = _command(tmp_path, _PROGRAM)
    seconds = command.seconds_until(first_round._line_of(1), _LIMIT_S)
    assert 0 < seconds < _LIMIT_S
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == ["round 1/50: 3/5", "round  1/50 | …"]


def test_a_command_that_ends_too_early_failed(tmp_path: pathlib.Path):
    command = _command(tmp_path, "print('compiling')")
    with pytest.raises(TrainingFailed, match="too early"):
        command.seconds_until("round ", _LIMIT_S)


def test_a_silent_command_failed(tmp_path: pathlib.Path):
    command = _command(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(TrainingFailed, match="said nothing for 0 s"):
        command.seconds_until("round ", 0.1)
    command._process.kill()
    command._process.wait()


_MEASURING = """
import pathlib, subprocess, sys, time
from benchmarks.training_command import TrainingCommand
command = [sys.executable, "-c", "kept = b'x' * (200 * 2**20)"]
process = subprocess.Popen(command, stdout=subprocess.PIPE)
print(TrainingCommand(process, time.perf_counter(), pathlib.Path(sys.argv[1])).peak_mib(60.0))
"""


def test_peak_memory_of_a_run(tmp_path: pathlib.Path):
    # From a small process, for this one has TensorFlow.
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURING, tmp_path / "log"],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 200 < float(measured.stdout) < 230  # 200 MiB, and Python


def test_a_peak_that_may_be_the_measuring_process_own_is_refused(tmp_path: pathlib.Path):
    with pytest.raises(RuntimeError, match="must be above this process's own"):
        _command(tmp_path, "pass").peak_mib(_LIMIT_S)


def test_the_peak_of_a_run_that_failed_is_none(tmp_path: pathlib.Path):
    with pytest.raises(TrainingFailed, match="exit code 3"):
        _command(tmp_path, "raise SystemExit(3)").peak_mib(_LIMIT_S)


def test_a_noise_chain_has_stores_labels_and_photographs_that_differ(tmp_path: pathlib.Path):
    chain = write_noise_chain(
        tmp_path / "chain", num_stores=2, photographs_per_store=5, image_size=8, num_labels=2
    )
    files = sorted(path.relative_to(chain).as_posix() for path in chain.rglob("*.png"))
    assert files == [
        f"store {store:05}/label {number % 2}/{number}.png"
        for store, number in ((0, 0), (0, 2), (0, 4), (0, 1), (0, 3))
        + ((1, 0), (1, 2), (1, 4), (1, 1), (1, 3))
    ]
    pictures = {np.asarray(Image.open(chain / file)).tobytes() for file in files}
    assert len(pictures) == 10
    assert np.asarray(Image.open(chain / files[0])).shape == (8, 8, 3)
