"""All parsers of what strangers send, by name."""

import importlib

from benchmarks.fuzz.fuzz_target import FuzzTarget

# Module by module, for a process that fuzzes one parser need not import TensorFlow for another.
TARGETS = {
    "link_targets": (
        "link_frame",
        "frame_header",
        "packed_part",
        "headquarters_protocol",
        "store_protocol",
    ),
    "chain_targets": (
        "enrolment_request",
        "join_token",
        "certificate",
        "certificate_request",
        "signed_manifest",
        "unsigned_manifest",
        "signed_model",
        "countersigned_head",
        "proxy_answer",
    ),
    "store_targets": (
        "store_manifest",
        "data_uri",
        "policy_file",
        "audit_line",
        "audit_folder",
        "model_archive",
        "executor_conversation",
        "egress_form",
    ),
    "graph_targets": (
        "value",
        "lifted_contents",
        "message_scan",
        "result_leaves",
        "executor_requests",
        "graph_check",
    ),
}


def make_target(name: str) -> FuzzTarget:
    """The target of a name in `TARGETS`."""
    (module,) = [module for module, names in TARGETS.items() if name in names]
    makers = getattr(importlib.import_module(f"benchmarks.fuzz.{module}"), module)()
    return makers[name]()
