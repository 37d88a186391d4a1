"""Every rule of the check of graphs, each broken by a graph that is good otherwise."""

import re
import resource
import time

import pytest
from tensorflow.core.framework import types_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tests.privacy.graph_breaches import BREACHES
from tests.privacy.small_computation import changed, small_computation
from tff_retail.privacy import allowed_operations, graph_rules
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.graph_check import check_graph
from tff_retail.privacy.node_check import definition_of

BOUNDS = GraphBounds()


def _rules(computation: bytes, bounds: GraphBounds = BOUNDS, **settings) -> list[str]:
    return [found.rule for found in check_graph(computation, bounds=bounds, **settings)]


@pytest.mark.parametrize(
    ("rule", "change"), [each[1:] for each in BREACHES], ids=[each[0] for each in BREACHES]
)
def test_a_breach_is_found(rule, change):
    assert rule in _rules(changed(change))


def test_every_rule_is_broken_once():
    by_bytes = {"graph_too_large", "too_many_fields", "malformed_graph", "unknown_field"}
    assert {each[1] for each in BREACHES} | by_bytes == set(graph_rules.GRAPH_RULES)


def test_an_honest_graph_has_no_findings():
    assert _rules(small_computation()) == []


def test_a_data_set_only_where_one_belongs():
    assert _rules(small_computation(), takes_data=False) == ["one_data_set"]


def test_sizes_may_be_open_where_the_result_stays():
    def open_size(computation, graph):
        dims = computation.type.function.result.struct.element[0].value.tensor.dims
        dims[0] = -1

    computation = changed(open_size)
    assert _rules(computation) == ["shape_not_fixed"]
    assert _rules(computation, has_fixed_result=False) == []


@pytest.mark.parametrize(
    ("bound", "rule"),
    [
        ("max_graph_bytes", "graph_too_large"),
        ("max_graph_fields", "too_many_fields"),
        ("max_nodes", "too_many_nodes"),
        ("max_running_nodes", "too_many_running_nodes"),
        ("max_outputs", "too_many_outputs"),
        ("max_functions", "too_many_functions"),
        ("max_function_depth", None),
        ("max_arguments", "too_many_arguments"),
        ("max_constant_bytes", "constants_too_large"),
        ("max_tensor_elements", "shape_too_large"),
        ("max_rank", "shape_too_large"),
        ("max_seconds", None),
    ],
)
def test_bounds_are_kept(bound, rule):
    found = _rules(small_computation(), GraphBounds(**{bound: 1}))
    assert found[:1] == ([rule] if rule else [])


def test_every_bound_is_tested():
    (marks,) = (mark for mark in test_bounds_are_kept.pytestmark if mark.name == "parametrize")
    assert {case[0] for case in marks.args[1]} == set(GraphBounds.__dataclass_fields__)


def test_bytes_that_are_no_computation():
    good = small_computation()
    assert _rules(b"") == ["no_tensorflow_graph"]
    assert _rules(good[: len(good) // 2]) == ["malformed_graph"]
    assert _rules(b"\xff" * 1000) == ["malformed_graph"]
    assert _rules(good + b"\xf8\x7f\x01") == ["unknown_field"]
    # A string that is not UTF-8.
    assert _rules(good + b"\x12\x04\x22\x02\xff\xff") == ["malformed_graph"]


def test_any_cut_and_any_flipped_byte_gives_findings_or_none():
    good = small_computation()
    for at in range(0, len(good), 7):
        check_graph(good[:at], bounds=BOUNDS)
        flipped = bytearray(good)
        flipped[at] ^= 0xFF
        check_graph(bytes(flipped), bounds=BOUNDS)


def test_findings_are_printable_short_and_few():
    def spoil(computation, graph):
        for at in range(1000):
            graph.node.add(name=f"n{at}", op="Evil\x1b[2J\n" + "x" * 10_000)

    findings = check_graph(changed(spoil), bounds=BOUNDS)
    assert len(findings) == 20
    for found in findings:
        assert found.rule == "operation_not_allowed"
        assert found.where.isprintable() and found.sentence.isprintable()
        assert len(found.where) + len(found.sentence) < 600


def _bomb_of_empty_messages() -> bytes:
    graph = b"\x0a\x00" * (BOUNDS.max_graph_bytes // 2 - 1000)
    proto = computation_pb2.Computation()
    proto.tensorflow.graph_def.type_url = "type.googleapis.com/tensorflow.GraphDef"
    proto.tensorflow.graph_def.value = graph
    return proto.SerializeToString()


def _bomb_of_attributes() -> bytes:
    def fill(computation, graph):
        functions = graph.node[0].attr["x"].list.func
        for _ in range(BOUNDS.max_graph_fields // 4):
            functions.add()

    return changed(fill)


def _bomb_of_nodes() -> bytes:
    def fill(computation, graph):
        for at in range(BOUNDS.max_nodes // 4):
            node_ = graph.node.add(name=f"n{at}", op="NoOp")
            node_.input.append(f"^n{at - 1}" if at else "^Const")

    return changed(fill)


@pytest.mark.parametrize("bomb", [_bomb_of_empty_messages, _bomb_of_attributes, _bomb_of_nodes])
def test_time_and_memory_are_bounded(bomb):
    computation = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    check_graph(computation, bounds=BOUNDS)
    assert time.process_time() - began < 30
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 2**20


def test_each_allowed_operation_is_what_its_kind_says():
    """No operation with a path, a text or a reference, and none whose state goes unexplained."""
    for name, kind in allowed_operations.ALLOWED_OPERATIONS.items():
        definition = definition_of(name)
        assert definition is not None, name
        assert definition.is_stateful == kind.has_state, name
        for argument in (*definition.input_arg, *definition.output_arg):
            assert argument.type != types_pb2.DT_STRING and not argument.is_ref, name
            if argument.type in (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT):
                assert kind.holds_handles, name
        names = {attribute.name for attribute in definition.attr}
        assert not names & {"container", "shared_name", "cache", "filename", "address"}, name
        assert not re.search("File|Path|Py|Print|Send|Recv|Save|Restore|Table|Variable", name), name


def test_no_operation_is_of_two_kinds():
    listed = [name for kind in allowed_operations.OPERATION_KINDS for name in kind.operations]
    assert len(listed) == len(set(listed))
