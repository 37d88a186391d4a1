"""Learning processes in our context and in TFF's own runtime, side by side."""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_SCRIPT = pathlib.Path(__file__).with_name("learning_processes.py")
_TIMEOUT_S = 600
_PROCESSES = {"fed_avg", "fed_eval", "scheduled", "mime_lite", "fed_recon"}


def _start(runtime: str, folder: pathlib.Path) -> subprocess.Popen[bytes]:
    # TFF's worker holds on to what it inherits, so that a pipe would never end.
    with (folder / f"{runtime}.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, str(_SCRIPT), runtime, str(folder / f"{runtime}.npz")],
            cwd=_CLONE,
            env={**os.environ, "PYTHONPATH": str(_CLONE), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and whatever it left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # nothing was left
        pass
    process.wait()


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("runtimes")
    running = {runtime: _start(runtime, folder) for runtime in ("stock", "ours")}
    found = {}
    try:
        for runtime, process in running.items():
            code = process.wait(_TIMEOUT_S)
            said = (folder / f"{runtime}.txt").read_text()
            assert code == 0, said
            with np.load(folder / f"{runtime}.npz", allow_pickle=False) as arrays:
                found[runtime] = {**arrays, "said": np.array(said)}
    finally:
        for process in running.values():
            _end(process)
    return found


def test_every_leaf_of_every_process_is_equal(results):
    stock, ours = results["stock"], results["ours"]
    assert stock.keys() == ours.keys()
    compared = {name for name in stock if "/" in name}
    assert {name.partition("/")[0] for name in compared} == _PROCESSES
    for name in compared:
        assert ours[name].dtype == stock[name].dtype, name
        np.testing.assert_allclose(ours[name], stock[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_processes_learned(results):
    for name in _PROCESSES - {"fed_eval"}:
        first = results["ours"][f"{name}/weights/trainable/0"]
        assert np.isfinite(first).all() and np.ptp(first) > 0


def test_ours_starts_no_process_and_says_nothing(results):
    assert results["ours"]["num_processes"] == 0
    assert str(results["ours"]["said"]) == ""
    assert results["stock"]["num_processes"] > 0  # else this test would not see them
