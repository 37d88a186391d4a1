"""Every Python file belongs to one Bazel target, and every target's files exist.

The BUILD files are a small subset of Python, so they are read here by running them, with rules
that only take notes; Bazel itself runs in `make bazel-test`.
"""

import collections
import pathlib
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_RULES = ("py_library", "py_binary", "py_test", "test_suite")
_PACKAGES = ("tff_retail", "datasets", "tests", "benchmarks")


class _Package:
    """Runs the BUILD file of one folder and notes its targets by rule."""

    def __init__(self, name: str) -> None:
        self.folder = _CLONE / name
        self.targets: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
        self._rules = {rule: self._note(rule) for rule in _RULES}
        self._words = {
            **self._rules,
            "filegroup": lambda **_: None,
            "glob": self._glob,
            "load": self._load,
            "package": lambda **_: None,
        }
        _run(self.folder / "BUILD", self._words)

    def _note(self, rule: str) -> Callable[..., None]:
        return lambda **attributes: self.targets[rule].append(attributes)

    def _glob(self, include: list[str], exclude: Sequence[str] = ()) -> list[str]:
        found = {path for pattern in include for path in self.folder.glob(pattern)}
        found -= {path for pattern in exclude for path in self.folder.glob(pattern)}
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())

    def _load(self, label: str, *names: str) -> None:
        macros: dict[str, Any] = {"native": types.SimpleNamespace(**self._rules)}
        _run(self.folder / label.removeprefix(":"), macros)
        self._words.update({name: macros[name] for name in names})

    def sources(self, rule: str) -> list[str]:
        return [source for target in self.targets[rule] for source in target["srcs"]]


def _run(path: pathlib.Path, words: dict[str, Any]) -> None:
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), words)


def _tree(package: str) -> list[str]:
    folder = _CLONE / package
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.py"))


def _is_entry_point(path: pathlib.Path) -> bool:
    return 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", _PACKAGES)
def test_each_file_is_in_one_target(name: str):
    package = _Package(name)
    tests = [
        test["args"][0].removeprefix("$(location ")[:-1] for test in package.targets["py_test"]
    ]
    runner = ["run_pytest.py"] if name == "tests" else []
    assert sorted(package.sources("py_library") + tests + runner) == _tree(name)


def test_each_test_file_is_run_by_a_target_of_its_name():
    targets = _Package("tests").targets["py_test"]
    expected = [name for name in _tree("tests") if pathlib.Path(name).name.startswith("test_")]
    assert sorted(f"{target['name']}.py" for target in targets) == expected
    for target in targets:
        assert target["srcs"] == [f"{target['name']}.py", "run_pytest.py"]
        assert target["args"] == [f"$(location {target['name']}.py)"]


def test_each_entry_point_is_a_binary():
    package = _Package("tff_retail")
    entry_points = [path.name for path in package.folder.glob("*.py") if _is_entry_point(path)]
    assert sorted(package.sources("py_binary")) == sorted(entry_points)
    for target in package.targets["py_binary"]:
        assert target["srcs"] == [f"{target['name']}.py"]


def test_only_tests_leave_the_sandbox_that_need_to():
    local = [target for target in _Package("tests").targets["py_test"] if "local" in target["tags"]]
    assert all(target["name"].startswith("integration/") for target in local)


@pytest.mark.parametrize("name", _PACKAGES)
def test_deps_exist(name: str):
    for targets in _Package(name).targets.values():
        for label in [label for target in targets for label in target.get("deps", [])]:
            package, target = _resolve(label, name)
            libraries = _Package(package).targets["py_library"]
            assert target in {library["name"] for library in libraries}


def _resolve(label: str, package: str) -> tuple[str, str]:
    """Package and target: `//datasets` is short for `//datasets:datasets`."""
    if label.startswith(":"):
        return package, label.removeprefix(":")
    package, _, target = label.removeprefix("//").partition(":")
    return package, target or package
