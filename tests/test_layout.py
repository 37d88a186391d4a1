"""The rules of the house that the source itself can show: rooms, and who may import whom."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_PACKAGES = ("tff_retail", "datasets")

# What a newcomer finds at the top.
_TOP_LEVEL = (
    "tff_retail datasets configs deployment tests benchmarks notebooks docs BUILD WORKSPACE "
    "requirements.txt Makefile README.md LICENSE CHANGELOG.md CONTRIBUTING.md "
    "SECURITY.md"
).split()

# A room, and the rooms it may import besides itself. An entry point is any module that lies in
# tff_retail itself: it wires the layers, and may import all of them.
_MAY_IMPORT = {
    "config": set(),
    "learning": {"config"},
    "privacy": {"config"},
    "transport": {"config"},
    "datasets": {"config"},
    "runtime": {"transport", "privacy", "config"},
    "program": {"runtime", "learning", "privacy", "transport", "datasets", "config"},
}

_VAGUE_WORDS = {"utils", "util", "common", "base", "helpers", "helper", "manager", "managers"}
_PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


def _modules() -> list[str]:
    return sorted(
        str(path.relative_to(_CLONE))
        for name in _PACKAGES
        for path in (_CLONE / name).rglob("*.py")
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    """Full names: `from absl import flags` is `absl.flags`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides its room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imports_of(module: str) -> list[str]:
    return list(_imports(ast.parse((_CLONE / module).read_text(encoding="utf-8"))))


def _room(parts: tuple[str, ...]) -> str:
    """`datasets`, a package of tff_retail, or `entry points` for what lies above them."""
    if parts[0] == "datasets":
        return "datasets"
    name = parts[1].removesuffix(".py") if len(parts) > 1 else "__init__"
    if (_CLONE / "tff_retail" / name).is_dir():
        return name
    return "entry points"


def _is_ours(name: str) -> bool:
    return name.split(".")[0] in _PACKAGES


def test_the_rooms_are_found():
    modules = _modules()
    assert "tff_retail/config/run_config.py" in modules
    assert _room(("tff_retail", "config", "run_config.py")) == "config"
    assert _room(("tff_retail", "config", "require")) == "config"
    assert _room(("tff_retail", "learning", "loss.py")) == "learning"
    assert _room(("tff_retail", "train.py")) == "entry points"
    assert _room(("tff_retail", "learning", "loss", "build_loss")) == "learning"
    assert {_room(pathlib.Path(module).parts) for module in modules} <= {
        *_MAY_IMPORT,
        "entry points",
    }


def test_imports_are_read_in_full():
    tree = ast.parse("import a.b\ndef f():\n    from absl import flags, app")
    assert list(_imports(tree)) == ["a.b", "absl.flags", "absl.app"]


@pytest.mark.parametrize("name", _TOP_LEVEL)
def test_top_level(name: str):
    assert (_CLONE / name).exists()


def test_imports_point_downwards():
    offenders = {}
    for module in _modules():
        room = _room(pathlib.Path(module).parts)
        found = {_room(tuple(name.split("."))) for name in _imports_of(module) if _is_ours(name)}
        if room != "entry points" and not found <= _MAY_IMPORT[room] | {room}:
            offenders[module] = found - _MAY_IMPORT[room] - {room}
    assert offenders == {}


def test_flags_are_touched_by_entry_points_alone():
    touching = {
        module
        for module in _modules()
        if {"absl.flags", "absl.app", "tff_retail.flags"} & set(_imports_of(module))
    }
    assert touching
    assert {_room(pathlib.Path(module).parts) for module in touching} == {"entry points"}


def test_config_needs_the_standard_library_alone():
    modules = [name for name in _modules() if name.startswith("tff_retail/config/")]
    for module in ["tff_retail/__init__.py", *modules]:
        names = {name.split(".")[0] for name in _imports_of(module)}
        assert not names & {"absl", "numpy", "tensorflow", "tensorflow_federated", "keras"}


def test_a_module_is_named_for_what_it_holds():
    parts = {module: pathlib.Path(module).with_suffix("").parts for module in _modules()}
    words = {module: {w for part in parts[module] for w in part.split("_")} for module in parts}
    assert {module for module in parts if words[module] & _VAGUE_WORDS} == set()


def test_no_pickle():
    pickling = {
        module
        for module in _modules()
        if {name.split(".")[0] for name in _imports_of(module)} & _PICKLES
        or "allow_pickle=True" in (_CLONE / module).read_text(encoding="utf-8")
    }
    assert pickling == set()


def test_a_private_path_of_tff_has_one_importer():
    importers: dict[str, set[str]] = {}
    for module in _modules():
        for name in _imports_of(module):
            if name.startswith("tensorflow_federated.python"):
                importers.setdefault(name, set()).add(module)
    assert {name: found for name, found in importers.items() if len(found) > 1} == {}
