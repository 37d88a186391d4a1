"""`make demo-remote` in little: two stores, one round, one of them killed; and killed itself."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import psutil
import pytest

from datasets.synthetic_shelf import write_synthetic_stores
from tests.train_command import CLONE, TIMEOUT_S, wait_until

# Seconds of work in the one round: headquarters writes once a second who is at work.
_SMALL = (
    "--width_multiplier=0.1",
    "--image_size=32",
    "--rounds=1",
    "--local_epochs=250",
    "--augmentation=none",
    "--min_stores=2",
)


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("demo") / "my chain"
    write_synthetic_stores(
        folder,
        num_stores=2,
        num_labels=2,
        images_per_store=24,
        image_size=32,
        alpha=10.0,
        seed=1,
    )
    return folder


@contextlib.contextmanager
def _demo(chain: pathlib.Path, folder: pathlib.Path):
    """The command, with what it says in a file beside its folder; ended at the end."""
    with folder.with_suffix(".log").open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "tff_retail.demo_remote", *_SMALL]
            + [f"--data_dir={chain}", f"--output_dir={folder}"],
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield demo, lambda: folder.with_suffix(".log").read_text(encoding="utf-8")
    finally:
        demo.kill()
        demo.wait()


def test_a_store_is_killed_and_the_model_is_the_same(chain, tmp_path):
    with _demo(chain, tmp_path / "demo") as (demo, said):
        assert demo.wait(TIMEOUT_S) == 0, said()
    lines = said().splitlines()
    assert lines[-2:] == [
        "store_2 was killed in round 1 and came back",
        "nothing was missed; the model is the same, bit for bit, as in one process",
    ]
    names = [line.partition("  ")[0] for line in lines]
    rows = ["trained federatedly", "trained centrally"]
    rows += ["trained alone: store_1", "trained alone: store_2"]
    assert [name for name in names if name.startswith("trained ")] == rows


@pytest.mark.parametrize("signum, code", [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_whatever_ends_it_ends_its_children(chain, tmp_path, signum, code):
    with _demo(chain, tmp_path / "demo") as (demo, said):
        assert wait_until(lambda: "stores have joined" in said(), demo), said()
        children = psutil.Process(demo.pid).children(recursive=True)
        # Enrolment, headquarters, two daemons; executors where they have begun.
        assert len(children) >= 4
        os.kill(demo.pid, signum)
        assert demo.wait(TIMEOUT_S) == code, said()
        assert psutil.wait_procs(children, TIMEOUT_S)[1] == []


def test_a_folder_with_other_files_is_left_alone(chain, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with _demo(chain, tmp_path) as (demo, said):
        assert demo.wait(TIMEOUT_S) == 2
    assert "--output_dir must be a new folder" in said()
    assert (tmp_path / "mine.txt").read_text() == "kept"
