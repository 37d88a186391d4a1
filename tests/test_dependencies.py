"""What the lock installs: the document that says so, and how an audit of it ends."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.locked_packages import LockedPackage, locked_packages

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_SCRIPT = _CLONE / ".ci" / "dependencies.py"
_TOOL = _CLONE / ".cache" / "audit" / "bin" / "cyclonedx-py"


@pytest.fixture(scope="module")
def dependencies():
    specification = importlib.util.spec_from_file_location("dependencies", _SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _component(package: LockedPackage) -> dict:
    hashes = [{"alg": "SHA-256", "content": each} for each in package.hashes]
    references = [{"type": "distribution", "hashes": hashes}]
    return {"name": package.name, "version": package.version, "externalReferences": references}


def test_the_lock_is_read_with_its_hashes():
    packages = {each.name: each for each in locked_packages(_CLONE / "requirements.txt")}
    assert packages["tensorflow-federated"].version == "0.87.0"
    assert all(each.hashes for each in packages.values())
    assert len(packages["numpy"].hashes) == len(set(packages["numpy"].hashes)) > 1


@pytest.mark.parametrize("line", ["numpy>=1", "numpy==1.26.4", "numpy==1 --hash=md5:0", "-r x"])
def test_a_line_that_is_none_of_a_lock(tmp_path, line):
    (tmp_path / "requirements.txt").write_text(line)
    with pytest.raises(ConfigurationError, match="name==version and hashes"):
        locked_packages(tmp_path / "requirements.txt")


def test_a_document_with_all_of_the_lock_has_no_gap(dependencies):
    packages = locked_packages(_CLONE / "requirements.txt")
    document = {"bomFormat": "CycloneDX", "components": [_component(each) for each in packages]}
    assert dependencies.sbom_gaps(document, packages) == []


def test_gaps_of_a_document_are_named(dependencies):
    one, two, three = (LockedPackage(name, "1", ("a" * 64, "b" * 64)) for name in "abc")
    other_hash = LockedPackage("b", "1", ("a" * 64,))
    document = {"bomFormat": "CycloneDX", "components": [_component(one), _component(other_hash)]}
    assert dependencies.sbom_gaps(document, [one, two, three]) == [
        "b has other hashes than the lock",
        "c 1 is missing",
    ]
    assert dependencies.sbom_gaps({}, [one]) == ["it is no CycloneDX document"]


def test_an_audit_that_could_not_ask_is_no_success(dependencies):
    fine = {"name": "a", "version": "1", "vulns": []}
    skipped = {"name": "b", "skip_reason": "not found"}
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
    known = {"name": "c", "version": "1", "vulns": [flaw, {"id": "X-2", "fix_versions": []}]}
    assert dependencies.audit_verdict({"dependencies": [fine]}) == (
        0,
        ["0 vulnerabilities are known of 1 packages"],
    )
    code, lines = dependencies.audit_verdict({"dependencies": [fine, skipped]})
    assert code == 2
    assert lines[-1].startswith("NOTHING IS KNOWN of 1 packages: the service could not be asked")
    code, lines = dependencies.audit_verdict({"dependencies": [known, skipped]})
    assert code == 1
    assert lines[0] == "c 1: PYSEC-1, fixed in 1.1"
    assert lines[1] == "c 1: X-2, fixed in no version yet"


def _run(folder: pathlib.Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, _SCRIPT, command],
        cwd=folder,
        env={"PYTHONPATH": str(_CLONE)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("tool", "code", "said"),
    [
        (
            "echo 'cannot connect' >&2; exit 1",
            2,
            "NOTHING IS KNOWN: the service could not be asked",
        ),
        ("echo '{\"dependencies\": []}'", 0, "0 vulnerabilities are known of 0 packages"),
    ],
)
def test_the_audit_as_a_command(tmp_path, tool, code, said):
    bin_dir = tmp_path / ".cache" / "audit" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "pip-audit").write_text(f"#!/bin/sh\n{tool}\n")
    (bin_dir / "pip-audit").chmod(0o755)
    done = _run(tmp_path, "audit")
    assert done.returncode == code
    assert done.stdout.startswith(said)


def test_the_bill_of_materials_as_a_command(tmp_path):
    if not _TOOL.exists():
        pytest.skip("its tool is not installed: make sbom")
    for name in ("requirements.txt", "pyproject.toml", ".cache"):
        (tmp_path / name).symlink_to(_CLONE / name)
    done = _run(tmp_path, "sbom")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    assert document["specVersion"] == "1.6"
    assert document["metadata"]["component"]["name"] == "tff_retail"
    locked = {each.name for each in locked_packages(_CLONE / "requirements.txt")}
    assert {each["name"] for each in document["components"]} == locked
