"""`python -m tff_retail.train` as a process, on a chain so small that it takes seconds."""

import contextlib
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.colour_run import COLOURS, write_photographs

CLONE = pathlib.Path(__file__).resolve().parents[1]
STORES = ("north", "上海 2号店", "c" * 200)
LABELS = ("red", "green 50%", "青")
# Milliseconds of work in a round; one thread an operation, as the tests run under.
SMALL = (
    "--model=simple_cnn",
    "--width_multiplier=0.1",
    "--image_size=32",
    "--batch_size=8",
    "--rounds=3",
)
# What no two runs have in common, or what may differ without being another run.
_VOLATILE = {"images_per_second", "configuration", "threads"}
# A machine may be busy with other tests; what takes longer than this hangs.
TIMEOUT_S = 300.0


def make_chain(folder: pathlib.Path, *, num_photographs: int = 8) -> pathlib.Path:
    """Three stores with three labels of so many photographs each."""
    for seed, store in enumerate(STORES):
        for colour in range(len(COLOURS)):
            write_photographs(
                folder / store / LABELS[colour], colour, num_photographs=num_photographs, seed=seed
            )
    return folder


def start(*flags: str, output: pathlib.Path) -> subprocess.Popen[bytes]:
    """The command, with what it says in the file `output`."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "tff_retail.train", *flags],
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def train(*flags: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tff_retail.train", *flags],
        cwd=CLONE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> bool:
    """Waits for a condition; False where the process ends first.

    Raises:
      TimeoutError: neither happens.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        if process.poll() is not None:
            return bool(condition())
        time.sleep(0.002)  # between two looks at files that another process writes
    raise TimeoutError(f"{process.args!r} after {TIMEOUT_S:.0f} s")


def kill_after(
    process: subprocess.Popen[bytes], folder: pathlib.Path, pattern: str, delay_s: float = 0.0
) -> bool:
    """Kills a process some time after it writes a file below `folder`; False where it ended."""
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


def what_it_made(run: pathlib.Path) -> dict[str, Any]:
    """All that must be the same in two runs of one configuration, times left out."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return {
        "model": weights(run / "model"),
        "model_last": weights(run / "model_last"),
        "summary": {key: value for key, value in summary.items() if key not in _VOLATILE},
        "metrics": [
            {name: value for name, value in row.items() if not name.startswith("seconds/")}
            for row in read_csv(run / "metrics.csv")
        ],
        "stores": read_csv(run / "stores.csv"),
        "events": event_steps(run),
        "manifest": json.loads((run / "manifest.json").read_text(encoding="utf-8")),
    }


def weights(model: pathlib.Path) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Names, shapes and bits of a released model's weights."""
    with np.load(model / "weights.npz") as arrays:
        return [(name, arrays[name].shape, arrays[name].tobytes()) for name in arrays.files]


def read_csv(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def event_steps(run: pathlib.Path, tag: str = "train/loss") -> list[int]:
    """The rounds that TensorBoard shows of a metric."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Tensors(tag)]


def processes_of(group: int) -> Sequence[int]:
    """The processes of a process group that are still there."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                is_member = os.getpgid(int(entry.name)) == group
                state = (entry / "stat").read_text().rpartition(") ")[2][:1]
            except (ProcessLookupError, FileNotFoundError):
                continue
            if is_member and state != "Z":
                found.append(int(entry.name))
    return found
