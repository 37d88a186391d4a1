"""docs/audit.md: the recipe for another tool does what the page says."""

import pathlib
import re
import subprocess

import pytest

from tff_retail.privacy.audit_log import AuditLog

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "audit.md"


@pytest.fixture(scope="module")
def recipe() -> str:
    (found,) = re.findall(r"```sh\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found.count("\n") == 10
    return found


def _run(recipe: str, folder: pathlib.Path) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", recipe], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def _written(folder: pathlib.Path) -> AuditLog:
    log = AuditLog(folder, max_file_bytes=1500)
    for number in range(12):
        log.append("said", words='back\\slash, "quotes" 青,"hash":"x', number=number)
    return log


def test_the_recipe_agrees_with_the_log(tmp_path, recipe):
    log = _written(tmp_path)
    sequence, entry_hash = log.head
    assert len(list(tmp_path.iterdir())) > 1
    assert _run(recipe, tmp_path) == (0, f"{sequence} {entry_hash}\n")


def test_the_recipe_names_the_entry_that_was_changed(tmp_path, recipe):
    _written(tmp_path)
    path = tmp_path / "log-00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":3'))
    assert _run(recipe, tmp_path) == (1, "entry 4 does not fit\n")
