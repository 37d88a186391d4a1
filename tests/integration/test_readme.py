"""The README's commands, run as they stand, in a copy of the clone with a difficult name."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from datasets.synthetic_shelf import write_synthetic_stores

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_README = (_CLONE / "README.md").read_text(encoding="utf-8")
# `make test` runs this very test; what remains of it is that the target is there. The other is
# run in little by test_demo_remote.py.
_NOT_RUN = {"make test", "make demo-remote"}
# Little of everything, through the flags that the Makefile passes on.
_QUICKSTART = "--rounds=1 --images_per_store=20 --labels=3 --nocompare_local"
_TIMEOUT_S = 600


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.DOTALL | re.MULTILINE)


def _commands() -> list[str]:
    lines = [line for block in _blocks("sh") for line in block.splitlines() if line.strip()]
    return [line for line in lines if line not in _NOT_RUN]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What a newcomer has, the environment made, with photographs in `chain`."""
    folder = tmp_path_factory.mktemp("readme") / "零售 shop"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", "data", "runs", "bazel-*", "tests")
    shutil.copytree(_CLONE, folder, ignore=ignored)
    environment = folder / ".venv"
    environment.mkdir()
    for entry in pathlib.Path(sys.prefix).iterdir():
        if entry.name != "made_from.sha256":
            (environment / entry.name).symlink_to(entry)
    digest = hashlib.sha256((folder / "requirements.txt").read_bytes()).hexdigest()
    (environment / "made_from.sha256").write_text(f"{digest}  requirements.txt\n")
    write_synthetic_stores(
        folder / "chain",
        num_stores=3,
        num_labels=3,
        images_per_store=12,
        image_size=32,
        alpha=10.0,
        seed=1,
    )
    return folder


def _run(command: list[str] | str, clone: pathlib.Path, stdin: str = "") -> str:
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=clone,
        env={**os.environ, "ARGS": _QUICKSTART, "PYTHONPATH": ""},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_quickstart(clone: pathlib.Path) -> None:
    assert "make quickstart" in _commands()
    assert "trained federatedly" in _run("make quickstart", clone)
    assert (clone / "runs/quickstart/model/saved_model.pb").is_file()


def test_own_photographs_in_the_order_of_the_page(clone: pathlib.Path) -> None:
    commands = [command for command in _commands() if not _is_elsewhere(command)]
    assert len(commands) >= 5
    for command in commands:
        _run(command, clone)
    assert (clone / "runs/mine/model/saved_model.pb").is_file()
    assert (clone / "runs/mine/export/export.json").is_file()


def test_recipe(clone: pathlib.Path) -> None:
    (command,) = [command for command in _commands() if "--flagfile" in command]
    assert "trained federatedly" in _run(command, clone)


def _is_elsewhere(command: str) -> bool:
    """Whether another test runs it; apart, so that they can run side by side."""
    return command == "make quickstart" or "--flagfile" in command


def test_python_examples_run(clone: pathlib.Path) -> None:
    for program in _blocks("python"):
        _run([".venv/bin/python", "-"], clone, program)
    assert (clone / "runs/script/summary.json").is_file()


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", _README)
    missing = [link for link in links if "://" not in link and not (_CLONE / link).exists()]
    assert not missing
    targets = (_CLONE / "Makefile").read_text(encoding="utf-8").splitlines()
    for command in _NOT_RUN:
        name = command.removeprefix("make ")
        assert any(line.startswith(f"{name}:") for line in targets), name
