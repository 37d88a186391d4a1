"""The fuzz campaign: every parser of what strangers send, coverage-guided.

    make fuzz
    python -m benchmarks.fuzz --inputs=1000000 --page=docs/fuzzing.md

It needs atheris, which `make fuzz` installs into an environment of its own (.cache/fuzz). Inputs
are shared out over the targets; those that write files get a quarter of the others' share. A
finding is an exception that a parser does not declare, an input that takes 10 s, or a process that
grows. Ends with 1 where there is one; the input stays in --findings.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from benchmarks.fuzz.fuzz_report import FuzzReport, write_fuzz_page
from benchmarks.fuzz.targets import TARGETS

_SLOW = frozenset({"policy_file", "audit_folder", "model_archive", "graph_check"})
_SLOW_SHARE = 0.25
_LIMIT_S = 3600.0
# libFuzzer's last line: branches that were reached, and features, which count how often as well.
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")


def main() -> None:
    """Fuzzes all targets, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [name for group in TARGETS.values() for name in group]
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets")
    parser.add_argument("--only", choices=names, action="append", help="may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=pathlib.Path, help="whose section is written anew")
    parser.add_argument("--findings", type=pathlib.Path, default=pathlib.Path(".cache/findings"))
    arguments = parser.parse_args()
    chosen = arguments.only or names
    shares = {name: _SLOW_SHARE if name in _SLOW else 1.0 for name in chosen}
    reports = []
    for name, share in shares.items():
        num_inputs = -int(-arguments.inputs * share // sum(shares.values()))
        report = _fuzz(name, num_inputs, arguments.seed, arguments.findings)
        print(report.line(), flush=True)
        reports.append(report)
    if arguments.page is not None:
        write_fuzz_page(arguments.page, reports)
    sys.exit(1 if any(report.finding for report in reports) else 0)


def _fuzz(name: str, num_inputs: int, seed: int, findings: pathlib.Path) -> FuzzReport:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        module = "benchmarks.fuzz.one_target"
        flags = [f"--target={name}", f"--inputs={num_inputs}", f"--seed={seed}"]
        process = subprocess.run(
            [sys.executable, "-m", module, *flags, f"--folder={folder}"],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": folder},
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        output = process.stdout.decode("utf-8", "replace")
        errors = process.stderr.decode("utf-8", "replace")
        finding = _finding(process.returncode, output, errors)
        if finding:
            kept = findings / name
            kept.mkdir(parents=True, exist_ok=True)
            (kept / "log.txt").write_text(output + errors, encoding="utf-8")
            for path in pathlib.Path(folder).glob("*-*"):
                if path.is_file():
                    shutil.copy(path, kept / path.name)
    found = [line for line in output.splitlines() if line.startswith('{"inputs"')]
    values = json.loads(found[-1]) if found else {}
    coverage = _COVERAGE.findall(errors)
    reached = int(coverage[-1][0]) if coverage else 0
    return FuzzReport(name=name, branches=reached, finding=finding, **values)


def _finding(code: int, output: str, errors: str) -> str:
    if code == 0 and '{"inputs"' in output:
        return ""
    # What Python raised says more than what the fuzzer makes of it.
    told = [line for line in output.splitlines() if re.match(r"[\w.]+(Error|Exception)?: ", line)]
    told += [line for line in errors.splitlines() if "ERROR:" in line]
    return told[0].strip()[:200] if told else f"exit code {code}"


if __name__ == "__main__":
    main()
