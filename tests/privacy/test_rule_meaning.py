"""Every name of a rule that a store may tell is one that headquarters can look up."""

import ast
import pathlib

from tff_retail.privacy.rule_meaning import known_rule, rule_meaning, rule_status

_CLONE = pathlib.Path(__file__).resolve().parents[2]
_RAISED = {"Refused", "refused", "CannotWork", "ManifestRefused", "ExecutorError"}


def _rules_in(source: str) -> set[str]:
    """First texts of the calls that make a refusal."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _RAISED:
                texts = [each for each in node.args if isinstance(each, ast.Constant)]
                found |= {str(each.value) for each in texts[:1] if " " not in str(each.value)}
    return found


def test_what_is_raised_is_listed():
    rules = set()
    for room in ("privacy", "program", "runtime"):
        for path in (_CLONE / "tff_retail" / room).glob("*.py"):
            rules |= _rules_in(path.read_text(encoding="utf-8"))
    rules |= _rules_in((_CLONE / "tff_retail/transport/signed_manifest.py").read_text())
    assert {"bytes_per_round", "own_results_only", "no_examples", "signature"} <= rules
    assert {rule for rule in rules if known_rule(rule) != rule} == set()


def test_a_reason_passes_by_its_rule_alone():
    assert known_rule("graph_failed: photograph.jpg") == "graph_failed"
    assert known_rule("photograph.jpg") == "unexpected_error"
    assert (rule_status("hours"), rule_status("executor_down")) == (7, 14)
    assert rule_meaning("hours").startswith("hours: the store's policy lets nothing out at this")
    assert rule_meaning("an older store says this") == "an older store says this"
