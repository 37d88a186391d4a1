"""Finds out how far this machine confines a store's executor, by confining a process and trying."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable

from tff_retail.program.diagnosis import OK, WARNING, Diagnosis
from tff_retail.program.executor_environment import executor_environment
from tff_retail.program.executor_sandbox import NEEDED, Layer, enter_sandbox
from tff_retail.program.sandbox_paths import SandboxPaths

_MODULE = "tff_retail.program.sandbox_probe"
_TIMEOUT_S = 30.0
_REMEDY = (
    "use a kernel of 5.13 or newer with Landlock on (`lsm=` of the kernel's command line), and let "
    "containers and services make the system calls of Landlock, seccomp and unshare"
)


def probe_sandbox() -> Diagnosis:
    """Which layers stand here, and whether they hold what they promise."""
    with tempfile.TemporaryDirectory() as scratch:
        (pathlib.Path(scratch) / "secret").write_text("secret", encoding="ascii")
        root = str(pathlib.Path(__file__).resolve().parents[2])
        done = subprocess.run(
            [sys.executable, "-s", "-P", "-m", _MODULE, scratch],
            env=executor_environment(os.environ, python_path=root, scratch=scratch),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    if done.returncode:
        return Diagnosis("sandbox", WARNING, "a process to try it in failed", _REMEDY)
    found = json.loads(done.stdout)
    return _diagnosis([Layer(*each) for each in found["layers"]], found["holes"])


def _diagnosis(layers: list[Layer], holes: list[str]) -> Diagnosis:
    stands = ", ".join(layer.name for layer in layers if not layer.missing) or "nothing"
    lacks = [f"{layer.name}: {layer.missing}" for layer in layers if layer.missing]
    found = f"the executor would be confined by {stands}"
    if lacks:
        found += f"; not by {'; '.join(lacks)}"
    if holes:
        found += f". A process that was tried so could {' and '.join(holes)}"
    is_whole = not holes and not any(layer.missing for layer in layers if layer.name in NEEDED)
    return (
        Diagnosis("sandbox", OK, found)
        if is_whole
        else Diagnosis("sandbox", WARNING, found, _REMEDY)
    )


def _try(scratch: str) -> None:
    """In a process of its own: what is given up is given up for good."""
    (inner := pathlib.Path(scratch) / "inner").mkdir()
    paths = SandboxPaths(
        readable=("/usr", "/lib", "/lib64", sys.base_prefix), writable=(str(inner),), devices=()
    )
    layers = enter_sandbox(paths)
    attempts: dict[str, Callable[[], object]] = {
        "open a socket": lambda: socket.socket().close(),
        "read a file of the daemon's": (pathlib.Path(scratch) / "secret").read_bytes,
        "run a program": lambda: subprocess.run([sys.executable, "--version"]),
    }
    holes = [name for name, attempt in attempts.items() if _succeeds(attempt)]
    values = [(layer.name, layer.missing) for layer in layers]
    print(json.dumps({"layers": values, "holes": holes}))


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    _try(sys.argv[1])
