"""Every promise of docs/security.md names a test that is there."""

import ast
import functools
import pathlib
import re

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_PAGE = (_CLONE / "docs" / "security.md").read_text(encoding="utf-8")
_NAMED = re.findall(r"`(tests/[^`:]+\.py)(?:::(\w+)(?:\[([^`]+)\])?)?`", _PAGE)


@functools.cache
def _tests(path: str) -> frozenset[str]:
    tree = ast.parse((_CLONE / path).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_each_named_test_is_there():
    missing = [
        f"{path}::{name}"
        for path, name, _ in _NAMED
        if not (_CLONE / path).is_file() or (name and name not in _tests(path))
    ]
    assert missing == []


def test_at_least_forty_attacks_are_named():
    assert len({named for named in _NAMED if named[1]}) >= 40


def test_no_row_goes_without_a_test():
    rows = [line for line in _PAGE.splitlines() if line.startswith("|") and "`tests/" in line]
    promises = _PAGE.partition("## What may leave a store")[2].partition("## What a fresh pair")[0]
    lines = [line for line in promises.splitlines() if re.match(r"\| (?!promise)", line)]
    assert [line for line in lines if line not in rows] == []
