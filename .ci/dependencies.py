"""What the lock installs, and whether any of it is known to be vulnerable.

    python .ci/dependencies.py sbom     writes sbom.json, and checks that nothing is missing in it
    python .ci/dependencies.py audit    asks the index's vulnerability service about each package

Run by `make sbom` and `make audit-dependencies`. Exit code 0: all is well; 1: a vulnerability is
known, or the document has a gap; 2: the service could not be asked about all packages, so that
nothing is known of some. That is no success: pip-audit itself ends with 0 there.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tff_retail.program.locked_packages import LockedPackage, locked_packages

_TOOLS = pathlib.Path(".cache/audit/bin")
_LOCK = pathlib.Path("requirements.txt")
_SBOM = pathlib.Path("sbom.json")
_NAMED = 5


def main(arguments: Sequence[str]) -> int:
    """Runs one of the two. Returns the exit code."""
    command = {"sbom": _sbom, "audit": _audit}.get(arguments[0] if arguments else "")
    if command is None:
        print("error: give sbom or audit", file=sys.stderr)
        return 2
    return command()


def sbom_gaps(document: dict[str, Any], packages: Sequence[LockedPackage]) -> list[str]:
    """What a CycloneDX document lacks of the lock, one sentence each.

    Args:
      document: parsed.
      packages: of the lock.
    """
    if document.get("bomFormat") != "CycloneDX":
        return ["it is no CycloneDX document"]
    found = {each["name"]: each for each in document.get("components", [])}
    gaps = []
    for package in packages:
        component = found.get(package.name)
        if component is None or component["version"] != package.version:
            gaps.append(f"{package.name} {package.version} is missing")
        elif _hashes(component) != set(package.hashes):
            gaps.append(f"{package.name} has other hashes than the lock")
    return gaps


def audit_verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit code, and what to say.

    Args:
      report: of `pip-audit --format=json`.
    """
    known = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for each in report["dependencies"]
        for flaw in each.get("vulns", [])
    ]
    skipped = [each["name"] for each in report["dependencies"] if "skip_reason" in each]
    num_asked = len(report["dependencies"]) - len(skipped)
    lines = [*known, f"{len(known)} vulnerabilities are known of {num_asked} packages"]
    if skipped:
        more = f" and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        lines.append(
            f"NOTHING IS KNOWN of {len(skipped)} packages: the service could not be asked about "
            f"{', '.join(skipped[:_NAMED])}{more}. Run this again where pypi.org can be reached"
        )
    return (1 if known else 2 if skipped else 0), lines


def _hashes(component: dict[str, Any]) -> set[str]:
    return {
        each["content"]
        for reference in component.get("externalReferences", [])
        for each in reference.get("hashes", [])
        if each["alg"] == "SHA-256"
    }


def _sbom() -> int:
    made = subprocess.run(
        [_TOOLS / "cyclonedx-py", "requirements", _LOCK, "--pyproject", "pyproject.toml"]
        + ["--output-reproducible", "--of", "JSON", "-o", _SBOM],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        print(made.stderr, file=sys.stderr)
        return 1
    packages = locked_packages(_LOCK)
    gaps = sbom_gaps(json.loads(_SBOM.read_text(encoding="utf-8")), packages)
    for gap in gaps:
        print(f"error: {_SBOM}: {gap}", file=sys.stderr)
    if not gaps:
        print(f"wrote {_SBOM}: {len(packages)} packages, each with the hashes of the lock")
    return 1 if gaps else 0


def _audit() -> int:
    done = subprocess.run(
        [_TOOLS / "pip-audit", "--requirement", _LOCK, "--disable-pip", "--require-hashes"]
        + ["--progress-spinner=off", "--format=json"],
        capture_output=True,
        text=True,
    )
    try:
        code, lines = audit_verdict(json.loads(done.stdout))
    except (json.JSONDecodeError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        code, lines = 2, [f"NOTHING IS KNOWN: the service could not be asked ({last[:300]})"]
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
