"""What every test runs under: a quiet TensorFlow, one thread an operation, a home of its own.

Loaded before any test module, so that the settings come before TensorFlow's first operation,
which fixes its threads for the process.
"""

import os
import pathlib
import tempfile
import uuid
from collections.abc import Iterator

import psutil
import pytest

# Marks this process's descendants, so that one whose parent has died is found as well. Of its
# environment a store's daemon passes on to its executor what begins with TF_.
_SESSION_VARIABLE = "TF_RETAIL_TEST_SESSION"
# Python's own: ends with the process it tracks for.
_RESOURCE_TRACKER = "multiprocessing.resource_tracker"


def _writable_folder() -> pathlib.Path:
    """The clone's .cache, or Bazel's folder for the test, whose sandbox shuts the clone."""
    if bazel_folder := os.environ.get("TEST_TMPDIR"):
        return pathlib.Path(bazel_folder)
    return pathlib.Path(__file__).resolve().parents[1] / ".cache"


def _keep_inside(folder: pathlib.Path) -> None:
    """Sends homes (Keras, Matplotlib, Jupyter, TFDS) and temporary files into `folder`."""
    home, temporary = folder / "home", folder / "tmp"
    for path in (home, temporary):
        path.mkdir(parents=True, exist_ok=True)
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        os.environ.pop(variable, None)
    os.environ["HOME"] = str(home)
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(temporary)
    tempfile.tempdir = str(temporary)


_keep_inside(_writable_folder())
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ[_SESSION_VARIABLE] = str(uuid.uuid4())


def pytest_configure(config: pytest.Config) -> None:
    """One thread inside an operation: two workers share two cores, and the bits depend on it."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or not config.getoption("numprocesses", None):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        # The first session would take as many threads as there are cores; this starts
        # TensorFlow here, with the setting.
        tf.config.list_logical_devices()


def _descendants() -> list[psutil.Process]:
    found = {process.pid: process for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if process.environ().get(_SESSION_VARIABLE) == os.environ[_SESSION_VARIABLE]:
                found[process.pid] = process
        except (psutil.AccessDenied, psutil.NoSuchProcess):  # another's, or gone by now
            continue
    return list(found.values())


def _describe(process: psutil.Process) -> str | None:
    """The command line of a process that runs, None of one that has ended."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return None


@pytest.fixture(scope="session", autouse=True)
def no_process_left_behind() -> Iterator[None]:
    """Fails, after ending them, where tests leave processes running."""
    yield
    psutil.wait_procs(_descendants(), timeout=1)  # those on their way out
    left = []
    for process in _descendants():
        command = _describe(process)
        if command and _RESOURCE_TRACKER not in command:
            left.append(command)
            process.kill()
    assert not left, f"tests left {len(left)} processes running: {left}"
