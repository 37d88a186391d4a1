"""The notebooks, executed as Colab would, in a copy that has no data and no runs yet."""

import pathlib
import re
import shutil
import sys
from collections.abc import Iterator

import nbclient
import nbformat
import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    folder = tmp_path_factory.mktemp("notebook") / "clone"
    folder.mkdir()
    for name in ("tff_retail", "datasets", "configs", "notebooks"):
        shutil.copytree(_CLONE / name, folder / name)
    yield folder


@pytest.fixture(scope="module")
def executed(clone: pathlib.Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(clone / "notebooks/quickstart.ipynb", as_version=4)
    resources = {"metadata": {"path": str(clone / "notebooks")}}
    client = nbclient.NotebookClient(
        notebook, timeout=_TIMEOUT_S, kernel_name="python3", resources=resources
    )
    return client.execute()


def _text(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_every_cell_runs(executed: nbformat.NotebookNode, clone: pathlib.Path) -> None:
    text = _text(executed)
    assert "environment: this kernel" in text
    assert "accuracy of the model:" in text
    assert (clone / "runs/notebook/model/saved_model.pb").is_file()


def test_tff_process_learns(executed: nbformat.NotebookNode) -> None:
    losses = [float(x) for x in re.findall(r"^round \d: loss ([\d.]+)$", _text(executed), re.M)]
    assert len(losses) == 3
    assert losses[-1] < losses[0]


def test_pictures_are_shown(executed: nbformat.NotebookNode) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2


def test_a_newer_kernel_makes_its_own_environment(tmp_path: pathlib.Path) -> None:
    """The setup cell alone, on a kernel that says it is 3.12, with a `make` that takes notes."""
    notebook = nbformat.read(_CLONE / "notebooks/quickstart.ipynb", as_version=4)
    (tmp_path / "tff_retail").mkdir()
    called = tmp_path / "called"
    newer = (
        "import subprocess, sys\n"
        "sys.version_info = (3, 12, 0)\n"
        f"subprocess.run = lambda args, **kw: open({str(called)!r}, 'a').write(f'{{args}}\\n')\n"
    )
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    setup.source = newer + setup.source
    notebook.cells = [setup]
    resources = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources)
    text = _text(client.execute())
    assert "made in .venv" in text
    calls = called.read_text().splitlines()
    assert "uv" in calls[0] and calls[1] == "['make', 'venv']"
    assert sys.version_info[:2] == (3, 11)  # what the rest of this test runs on
