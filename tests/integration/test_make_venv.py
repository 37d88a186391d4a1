"""`make venv`, with a uv that notes its calls in place of the one that downloads a gigabyte."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_TOOLS = "awk cat cp dirname env grep make mkdir mv rm sh sha256sum uname".split()

_FAKE_UV = """#!/bin/sh
case "$1 $2" in
  "--version ") exit 0 ;;
  "venv "*) mkdir -p .venv/bin && cp "{python}" .venv/bin/python ;;
  "pip install") [ "${{FAKE_UV_STATUS:-0}}" = 0 ] ;;
  *) exit 1 ;;
esac || exit 1
echo "$@" >>"{calls}"
"""

# Stands for the interpreter, whichever program it is asked to run.
_FAKE_PYTHON = """#!/bin/sh
case "$*" in *_base_executable*) echo "{python}" ;; esac
"""


class _FreshClone:
    """What `make venv` reads, in a folder with a difficult name, and a PATH of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "零售 shop's clone"
        self.calls = folder / "calls"
        self._programs = folder / "programs"
        self._programs.mkdir(parents=True)
        shutil.copytree(_CLONE / ".ci", self.path / ".ci")
        for name in ("Makefile", *(path.name for path in _CLONE.glob("requirements*.txt"))):
            shutil.copy(_CLONE / name, self.path)
        for name in _TOOLS:
            (self._programs / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))

    def add_program(self, name: str, text: str) -> None:
        python = self._programs / "python3.11"
        program = self._programs / name
        program.write_text(text.format(python=python, calls=self.calls), encoding="utf-8")
        program.chmod(0o755)

    def make_venv(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "venv", *arguments],
            cwd=self.path,
            env={"PATH": str(self._programs), **environment},
            capture_output=True,
            text=True,
        )

    def installs(self) -> list[str]:
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith("pip install")]


@pytest.fixture
def clone(tmp_path: pathlib.Path) -> _FreshClone:
    return _FreshClone(tmp_path)


@pytest.fixture
def clone_with_python(clone: _FreshClone) -> _FreshClone:
    clone.add_program("python3.11", _FAKE_PYTHON)
    clone.add_program("uv", _FAKE_UV)
    return clone


def test_no_python_is_said_in_one_sentence_with_three_remedies(clone: _FreshClone):
    result = clone.make_venv()
    assert result.returncode == 2
    sentence, end_of_make = result.stderr.splitlines()
    assert sentence.startswith("tff_retail needs Python 3.11")
    for remedy in ("uv python install 3.11", "apt-get install python3.11", "docker run"):
        assert remedy in sentence
    assert "Error 1" in end_of_make
    assert not (clone.path / ".venv").exists()


def test_another_python_does_not_do(clone: _FreshClone):
    clone.add_program("python3", "#!/bin/sh\nexit 1\n")  # what the question for 3.11 gets
    assert "needs Python 3.11" in clone.make_venv().stderr


def test_the_real_interpreter_is_found_behind_an_active_environment(clone: _FreshClone):
    result = subprocess.run(
        ["sh", ".ci/venv", "--find-python"],
        cwd=clone.path,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == sys._base_executable  # type: ignore[attr-defined]


def test_a_finished_environment_is_left_alone(clone_with_python: _FreshClone):
    first, second = clone_with_python.make_venv(), clone_with_python.make_venv()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(clone_with_python.installs()) == 1
    assert (second.stdout, second.stderr) == ("", "")
    assert "--no-deps --require-hashes" in clone_with_python.installs()[0]


def test_an_interrupted_environment_is_made_anew(clone_with_python: _FreshClone):
    clone_with_python.make_venv()
    (clone_with_python.path / ".venv/made_from.sha256").unlink()  # comes last
    half_written = clone_with_python.path / ".venv/half_written"
    half_written.touch()
    clone_with_python.make_venv()
    assert len(clone_with_python.installs()) == 2
    assert not half_written.exists()


def test_a_changed_lock_makes_the_environment_anew(clone_with_python: _FreshClone):
    clone_with_python.make_venv()
    (clone_with_python.path / "requirements.txt").write_text("six==1.17.0\n", encoding="utf-8")
    clone_with_python.make_venv()
    clone_with_python.make_venv()
    assert len(clone_with_python.installs()) == 2


def test_gpu_adds_its_libraries_once_and_stays(clone_with_python: _FreshClone):
    clone_with_python.make_venv()
    clone_with_python.make_venv("GPU=1")
    clone_with_python.make_venv("GPU=1")
    clone_with_python.make_venv()  # as `make quickstart` asks
    gpu = ["requirements-gpu.txt" in line for line in clone_with_python.installs()]
    assert gpu == [False, True]


def test_ray_is_added_beside_what_is_there_and_stays(clone_with_python: _FreshClone):
    clone_with_python.make_venv()
    kept = clone_with_python.path / ".venv/kept"
    kept.touch()
    clone_with_python.make_venv("RAY=1")
    clone_with_python.make_venv("RAY=1")
    clone_with_python.make_venv()
    assert kept.exists()
    first, second = clone_with_python.installs()
    assert "requirements-ray.txt" not in first
    assert "requirements-ray.txt" in second and "requirements.txt" not in second
    (clone_with_python.path / "requirements.txt").write_text("six==1.17.0\n", encoding="utf-8")
    clone_with_python.make_venv()
    assert not kept.exists()
    assert "requirements-ray.txt" in clone_with_python.installs()[-1]


def test_an_interrupted_addition_makes_the_environment_anew(clone_with_python: _FreshClone):
    clone_with_python.make_venv()
    half_written = clone_with_python.path / ".venv/half_written"
    half_written.touch()
    clone_with_python.add_program("python3.11", _FAKE_PYTHON + 'case "$*" in *pip*) exit 1 ;; esac')
    shutil.copy(
        clone_with_python.path.parent / "programs/python3.11", half_written.parent / "bin/python"
    )
    assert clone_with_python.make_venv("RAY=1", FAKE_UV_STATUS="1").returncode == 2
    assert clone_with_python.make_venv("RAY=1").returncode == 0
    assert not half_written.exists()


def test_a_failed_install_leaves_no_finished_environment(clone_with_python: _FreshClone):
    clone_with_python.add_program(
        "python3.11", _FAKE_PYTHON + 'case "$*" in *venv*) exit 1 ;; esac'
    )
    result = clone_with_python.make_venv(FAKE_UV_STATUS="1")
    assert result.returncode == 2
    assert "Neither uv nor pip could make .venv" in result.stderr
    assert not (clone_with_python.path / ".venv/made_from.sha256").exists()


def test_nothing_is_written_outside_the_clone(clone_with_python: _FreshClone):
    outside = clone_with_python.path.parent
    before = {path for path in outside.rglob("*") if clone_with_python.path not in path.parents}
    clone_with_python.make_venv()
    after = {path for path in outside.rglob("*") if clone_with_python.path not in path.parents}
    assert after - before == {clone_with_python.calls}
