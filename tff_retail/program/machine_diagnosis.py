"""Whether a machine can do the work: Python, packages, GPU, clock, memory, disk."""

import ctypes
import glob
import importlib.metadata
import pathlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tff_retail.config import ConfigurationError
from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from tff_retail.program.locked_packages import locked_packages
from tff_retail.program.process_memory import ProcessMemory

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_PYTHON = (3, 11)
# TensorFlow alone takes 0.6 GB; a MobileNetV2 at 96 x 96 in batches of 16 another 0.8.
_MIN_MEMORY, _WISHED_MEMORY = 2**30, 2 * 2**30
# A model, its results and a manifest's graphs; and the decoded photographs of a small store.
_MIN_DISK, _WISHED_DISK = 200 * 2**20, 2 * 2**30
# TensorFlow 2.14 was built against it; without it, it sees no GPU.
_CUDA_PACKAGE = "nvidia-cudnn-cu11"
_LIST_GPUS = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
_TENSORFLOW_S = 120.0
_NAMED = 4
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # of struct timex, which has 208


def diagnose_machine(folders: Sequence[pathlib.Path], *, device: str = "auto") -> list[Diagnosis]:
    """Looks at this machine; changes nothing.

    Args:
      folders: that are written to, or will be.
      device: `cpu` where no GPU is to be looked for.
    """
    return [
        _python(),
        _packages(_CLONE / "requirements.txt"),
        _gpu(device),
        _clock(),
        _memory(ProcessMemory().room_bytes()),
        *(_disk(folder) for folder in folders),
    ]


def _python() -> Diagnosis:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] == _PYTHON:
        return Diagnosis("Python", OK, found)
    wanted = ".".join(map(str, _PYTHON))
    return Diagnosis("Python", PROBLEM, found, f"TFF 0.87 needs Python {wanted}: make venv")


def _packages(lock: pathlib.Path) -> Diagnosis:
    try:
        packages = locked_packages(lock)
    except ConfigurationError as error:
        return Diagnosis("packages", WARNING, str(error))
    installed = {p.name: _installed(p.name) for p in packages}
    others = [
        f"{p.name} {installed[p.name] or 'missing'} instead of {p.version}"
        for p in packages
        if installed[p.name] != p.version
    ]
    if not others:
        return Diagnosis("packages", OK, f"all {len(packages)} are those of the lock")
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    found = ", ".join(others[:_NAMED]) + more
    return Diagnosis("packages", PROBLEM, found, "make the environment of the lock: make venv")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpu(device: str) -> Diagnosis:
    if device == "cpu":
        return Diagnosis("GPU", OK, "none wanted (--device=cpu)")
    if not glob.glob("/dev/nvidia[0-9]*"):
        found = "no NVIDIA device here; work is done on the CPU"
        if device == "gpu":
            remedy = "install NVIDIA's driver, let the container or service have /dev/nvidia*"
            return Diagnosis("GPU", PROBLEM, found, f"{remedy}, or set --device=auto")
        return Diagnosis("GPU", OK, found)
    if _installed(_CUDA_PACKAGE) is None:
        found = "a device, but not the CUDA libraries that TensorFlow 2.14 needs"
        return Diagnosis("GPU", WARNING, found, "install them: make venv GPU=1")
    listed = subprocess.run(
        [sys.executable, "-c", _LIST_GPUS],
        capture_output=True,
        text=True,
        timeout=_TENSORFLOW_S,
    )
    number = listed.stdout.strip()
    if listed.returncode or not number.isdecimal() or number == "0":
        found = "a device that TensorFlow does not see"
        return Diagnosis("GPU", WARNING, found, "see what `nvidia-smi` says of device and driver")
    return Diagnosis("GPU", OK, f"TensorFlow sees {number}")


def _clock() -> Diagnosis:
    """Whether something keeps the clock right; the kernel knows."""
    if sys.platform != "linux":
        return Diagnosis("clock kept", WARNING, "not known on this system")
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _UNSYNCHRONISED:
        remedy = "install chrony or another NTP client: certificates and hours go by the clock"
        return Diagnosis("clock kept", WARNING, "no program keeps this machine's clock", remedy)
    return Diagnosis("clock kept", OK, "the kernel says that a program keeps it right")


def _memory(room: int) -> Diagnosis:
    found = f"{_size(room)} to be had"
    remedy = "give it more, or bound a step: --batch_size=auto"
    if room < _MIN_MEMORY:
        return Diagnosis("memory", PROBLEM, found, remedy)
    if room < _WISHED_MEMORY:
        return Diagnosis("memory", WARNING, found, remedy)
    return Diagnosis("memory", OK, found)


def _disk(folder: pathlib.Path) -> Diagnosis:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    found = f"{_size(free)} free for {folder}"
    if free < _MIN_DISK:
        remedy = "make room: what can't be written down does not leave a store, nor is it saved"
        return Diagnosis("disk", PROBLEM, found, remedy)
    if free < _WISHED_DISK:
        return Diagnosis("disk", WARNING, found, "make room, or choose a folder on another disk")
    return Diagnosis("disk", OK, found)


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number >> 20} MiB"
