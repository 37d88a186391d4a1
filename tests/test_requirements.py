"""The lock: hashed, from no named index, and of one piece with its source in pyproject.toml."""

import importlib.metadata
import pathlib
import re
import tomllib

import pytest
from packaging.requirements import Requirement

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_DESIGN = (
    "tensorflow",
    "tensorflow-federated",
    "keras",
    "tensorflow-datasets",
    "numpy",
    "absl-py",
    "dill",
)


def _locked(name: str) -> dict[str, str]:
    """Each package's version, after a look at its hashes."""
    text = (_CLONE / name).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and line[0] not in " #"]
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.+!]+( +--hash=sha256:[0-9a-f]{64})+ *", line), line
    return {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines}


def _source() -> dict:
    return tomllib.loads((_CLONE / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "name",
    [f"requirements{of}.txt" for of in ("", "-gpu", "-ray", "-audit", "-fuzz")],
)
def test_no_index_is_named(name: str):
    assert "://" not in (_CLONE / name).read_text(encoding="utf-8")


def test_the_design_asks_for_its_packages_itself():
    asked = {re.split("[<>=]", line)[0] for line in _source()["project"]["dependencies"]}
    assert set(_DESIGN) <= asked


@pytest.mark.parametrize("group", ["run", "dev", "gpu", "ray", "audit", "fuzz"])
def test_the_lock_holds_what_its_source_asks_for(group: str):
    source = _source()
    asked = {"run": source["project"]["dependencies"], **source["dependency-groups"]}[group]
    locked = _locked("requirements.txt" if group in ("run", "dev") else f"requirements-{group}.txt")
    for line in asked:
        name, _, version = line.partition("<")[0].partition("==")
        assert name in locked, f"{name} is not in the lock: run `make lock`"
        assert version in ("", locked[name]), (
            f"{name} is locked at another version: run `make lock`"
        )


def test_ray_installs_beside_the_lock():
    lock, ray = _locked("requirements.txt"), _locked("requirements-ray.txt")
    assert not lock.keys() & ray.keys()
    pytest.importorskip("ray", reason="ray is not installed: make venv RAY=1")
    for name in ray:
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert needed.specifier.contains((lock | ray)[needed.name.lower()]), line
