"""What the names of rules mean: a store tells no more than a name, headquarters looks it up here.

The names are all that a store gives as a reason, so that no word of a reason can carry anything
from inside.
"""

from collections.abc import Mapping

from tff_retail.privacy.graph_rules import GRAPH_RULES

_UNKNOWN = "unexpected_error"

# gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_CANCELLED, _INVALID, _NOT_FOUND, _DENIED, _EXHAUSTED = 1, 3, 5, 7, 8
_PRECONDITION, _UNIMPLEMENTED, _INTERNAL, _UNAVAILABLE = 9, 12, 13, 14

_RULES: Mapping[str, tuple[int, str]] = {
    # Of the release policy.
    "hours": (_DENIED, "the store's policy lets nothing out at this hour; ask within its hours"),
    "role_closed": (_DENIED, "the store's policy does not take part in this role"),
    "min_examples": (_DENIED, "the store has fewer examples than its policy asks for"),
    "min_labels": (_DENIED, "the store has examples of fewer labels than its policy asks for"),
    "min_examples_per_label": (
        _DENIED,
        "numbers by label need more examples of each label than the store has",
    ),
    "rounds_per_day": (_DENIED, "the store has answered as many rounds as its policy allows a day"),
    "questions_per_round": (
        _DENIED,
        "the store was asked one round with other weights or another seed again",
    ),
    "answers_per_round": (_DENIED, "the store's answer to one question has changed too often"),
    "bytes_per_round": (_DENIED, "the answer would exceed the bytes that a round may take"),
    "selections_per_day": (
        _DENIED,
        "the manifest chooses among the store's photographs anew, oftener than a day allows",
    ),
    "min_batch_size": (_DENIED, "the manifest's batches are smaller than the store's policy takes"),
    "max_validation_fraction": (
        _DENIED,
        "the manifest's validation fraction is beyond the store's policy",
    ),
    "pinned_graphs": (_DENIED, "the manifest has a graph that the store's owner has not pinned"),
    "replayed": (_DENIED, "the store took a newer manifest of this run; sign one with a later end"),
    "egress_outputs": (
        _DENIED,
        "the graph has outputs that the store's policy does not list; see its owner",
    ),
    "egress_form": (_DENIED, "the answer was not of the form that its graph promises"),
    "not_counts": (_DENIED, "an array of the answer holds other numbers than counts"),
    "call_form": (_DENIED, "the call or its answer was not of the executor's protocol"),
    "ledger_unwritable": (_DENIED, "the store can't write down what leaves it, so nothing does"),
    "audit_unwritable": (_DENIED, "the store's audit log can't be written, so nothing leaves it"),
    "manifest_expired": (_DENIED, "the manifest has ended and must be signed anew"),
    # Of manifests.
    "format": (_DENIED, "the manifest is not of the form that stores take"),
    "signature": (_DENIED, "the manifest is not signed by the key of the store's chain"),
    "chain": (_DENIED, "the manifest was signed for another chain of stores"),
    "run": (_DENIED, "the manifest was signed for another run"),
    "expired": (_DENIED, "the manifest has ended, and must be signed anew"),
    "manifest": (_DENIED, "the manifest or a graph of it is of no use; see the store's log"),
    "contents": (_INTERNAL, "the store can't keep or read what the manifest names"),
    "photographs": (_INTERNAL, "the store's photographs can't be read"),
    # Of a manifest's graphs.
    **{rule: (_DENIED, meaning) for rule, meaning in GRAPH_RULES.items()},
    # Of the executor.
    "own_results_only": (_DENIED, "only the result of an approved computation can be computed"),
    "own_data_only": (_DENIED, "a store works on its own data, in the role's split, and no other"),
    "approved_work_only": (_DENIED, "the computation is none of the approved ones"),
    "malformed_request": (_INVALID, "the request contradicts the executor's protocol or a type"),
    "too_much": (_EXHAUSTED, "the request is beyond the bounds of what a store holds"),
    "unknown_method": (_UNIMPLEMENTED, "a store has no such method"),
    "unknown_executor": (_PRECONDITION, "there is no such executor any more; ask for a new one"),
    "unknown_value": (_NOT_FOUND, "there is no such value in this executor any more"),
    "cancelled": (_CANCELLED, "nobody waits for this work any more"),
    "executor_down": (_UNAVAILABLE, "the store's executor is starting, or has ended meanwhile"),
    # Of the work.
    "no_manifest": (_INTERNAL, "the store has taken no manifest"),
    "no_examples": (_INTERNAL, "the store has no photograph for this role"),
    "photographs_unreadable": (_INTERNAL, "the store's photographs can't be read"),
    "out_of_memory": (_EXHAUSTED, "the store's memory is too small; try smaller batches"),
    "took_too_long": (_EXHAUSTED, "the work took longer than the store's policy allows"),
    "graph_failed": (_INTERNAL, "TensorFlow failed in the graph"),
    "work_failed": (_INTERNAL, "the store could not do its work"),
    _UNKNOWN: (_INTERNAL, "something unforeseen went wrong; see the store's log"),
}


def known_rule(reason: str) -> str:
    """The rule that a reason begins with; `unexpected_error` for any that is not listed."""
    rule = reason.partition(":")[0]
    return rule if rule in _RULES else _UNKNOWN


def rule_status(rule: str) -> int:
    """The gRPC status that a rule is told with."""
    return _RULES[known_rule(rule)][0]


def rule_meaning(reason: str) -> str:
    """A sentence for headquarters' operator about a reason that a store gave.

    What is no rule's name, such as the reason of an older store, is passed on as it is.
    """
    return f"{reason}: {_RULES[reason][1]}" if reason in _RULES else reason
