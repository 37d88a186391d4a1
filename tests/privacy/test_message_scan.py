"""The walk over a message's bytes: it reads what the parser reads, and no more than it may."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import attr_value_pb2, graph_pb2

from tests.privacy.small_computation import changed
from tff_retail.privacy.message_scan import Unreadable, scan_message

_GRAPH = graph_pb2.GraphDef.DESCRIPTOR


def _scan(data: bytes, *, max_fields: int = 10**6, max_depth: int = 64) -> int:
    return scan_message(data, _GRAPH, max_fields=max_fields, max_depth=max_depth)


def _graph() -> bytes:
    kept = []
    changed(lambda computation, graph: kept.append(graph.SerializeToString()))
    return kept[0]


def test_fields_are_counted_at_every_depth():
    graph = graph_pb2.GraphDef()
    graph.node.add(name="a", op="B")  # three fields: the node and two of its own
    graph.node[0].attr["k"].list.i.extend([1, 2, 3])  # entry, key, value, list, packed numbers
    assert _scan(graph.SerializeToString()) == 8
    assert _scan(b"") == 0


def test_fields_may_not_be_too_many():
    message = b"\x0a\x00" * 10
    assert _scan(message, max_fields=10) == 10
    with pytest.raises(Unreadable) as found:
        _scan(message, max_fields=9)
    assert found.value.rule == "too_many_fields"


def test_messages_may_not_be_nested_too_deep():
    value = attr_value_pb2.AttrValue(b=True)
    for _ in range(5):
        outer = attr_value_pb2.AttrValue()
        outer.func.attr["k"].CopyFrom(value)
        value = outer
    graph = graph_pb2.GraphDef()
    graph.node.add().attr["k"].CopyFrom(value)
    message = graph.SerializeToString()
    depth = 3 + 3 * 5
    _scan(message, max_depth=depth)
    with pytest.raises(Unreadable) as found:
        _scan(message, max_depth=depth - 1)
    assert found.value.rule == "nested_too_deep"


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (b"\x0a", "malformed_graph"),  # no length
        (b"\x0a\x05ab", "malformed_graph"),  # ends before its length
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "malformed_graph"),  # no number
        (b"\x18", "malformed_graph"),  # a number without its bytes
        (b"\x0a\x03\x12\x05a", "malformed_graph"),  # a field that is longer than its message
        (b"\x0b\x0c", "unknown_field"),  # a group
        (b"\x0d\x00\x00\x00\x00", "unknown_field"),  # a node that is four bytes
        (b"\x32\x00", "unknown_field"),  # field 6
        (b"\x0a\x02\x4a\x00", "unknown_field"),  # field 9 of a node
    ],
)
def test_what_is_no_message(message, rule):
    with pytest.raises(Unreadable) as found:
        _scan(message)
    assert found.value.rule == rule


def test_a_tag_may_be_written_long():
    assert _scan(b"\x8a\x80\x00\x00") == 1


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_passes_is_what_the_parser_reads(data):
    message = bytearray(_graph())
    for at in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=4)):
        message[at] = data.draw(st.integers(0, 255))
    try:
        parsed = graph_pb2.GraphDef.FromString(bytes(message))
    except DecodeError:
        return  # texts that are not UTF-8 are left to it
    try:
        num_fields = _scan(bytes(message))
    except Unreadable as unreadable:
        assert unreadable.rule == "unknown_field"  # the parser keeps these for later
        return
    assert num_fields >= len(parsed.node) + sum(len(node.attr) for node in parsed.node)
