"""What importing the package prints: nothing, also when the interpreter ends."""

import pathlib
import subprocess
import sys

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("module", ["tff_retail", "tff_retail.program.run"])
def test_importing_prints_nothing(module: str):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=_CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
