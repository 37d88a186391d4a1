"""Graphs that a hostile headquarters signs: a store refuses them unloaded, or outlives them."""

import hashlib
import signal
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tests.integration.attacked_store import (
    AttackedStore,
    attacked_store,
    honest_update,
    tiny_work,
)
from tests.privacy.small_computation import Change, changed, function_with, node
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.transport.link_faults import CallFailed, StoreRefused
from tff_retail.transport.link_frames import Frame, Kind, encode_frame

# Long enough for a graph of this size on a busy machine, short enough to wait for.
_MAX_SECONDS = 3


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    with attacked_store(folder, policy=f"[graphs]\nmax_seconds = {_MAX_SECONDS}\n") as found:
        yield found


@pytest.fixture(scope="module")
def honest() -> GraphPart:
    return tiny_work(honest_update)


def _rule(attack: AttackedStore, honest: GraphPart, computation: bytes) -> str:
    """The rule by which the store refuses a manifest of this graph."""
    manifest = attack.manifest(train=honest)
    digest = hashlib.sha256(computation).hexdigest()
    manifest["roles"]["train"]["graphs"]["work"] = digest
    with pytest.raises(StoreRefused) as refusal:
        attack.offer(attack.sign(manifest), [computation])
    # Nothing but the rule's name is told.
    assert refusal.value.sentence in (refusal.value.code, "")
    return refusal.value.code


def _works(attack: AttackedStore, honest: GraphPart, round_num: int) -> None:
    """An honest graph runs, so the store lives and has its photographs."""
    attack.agree(train=honest)
    update, num_examples = attack.ask(honest, round_num=round_num)
    assert num_examples == 13 and update.tolist() == [13.0] * 4


def _traced(function: Callable[..., Any]) -> bytes:
    return tiny_work(function).computation


def _reading_a_file(data, weights):
    text = tf.io.read_file("/etc/passwd")
    count = data.reduce(0.0, lambda n, batch: n + tf.cast(tf.strings.length(text), tf.float32))
    return {"update": weights + count}


def _writing_a_file(path):
    def work(data, weights):
        def step(count, batch):
            with tf.control_dependencies(
                [tf.io.write_file(path, tf.io.serialize_tensor(batch[0]["image"]))]
            ):
                return count + 1.0

        return {"update": weights + data.reduce(0.0, step)}

    return work


def _printing(data, weights):
    def step(count, batch):
        tf.print(batch[0]["image"], summarize=-1)
        return count + 1.0

    return {"update": weights + data.reduce(0.0, step)}


def _asserting(data, weights):
    def step(count, batch):
        tf.debugging.Assert(tf.reduce_all(batch[1] < 0), [batch[0]["image"]])
        return count + 1.0

    return {"update": weights + data.reduce(0.0, step)}


def _choosing_photographs(data, weights):
    return {"update": weights + data.take(1).reduce(0.0, lambda n, batch: n + 1.0)}


def _other_data(data, weights):
    other = tf.data.Dataset.from_tensor_slices(weights)
    return {"update": weights + other.reduce(0.0, lambda n, each: n + each)}


def _files_as_data(data, weights):
    other = tf.data.TextLineDataset(["/etc/passwd"])
    return {"update": weights + other.reduce(0.0, lambda n, line: n + 1.0)}


def _keeping_for_later(data, weights):
    stash = tf.Variable(weights)
    stash.assign_add(weights)
    return {"update": stash.read_value()}


# The first rule that is broken; where a file is named, that is the constant of its name.
_TRACED = {
    "reads a file": ("type_not_allowed", _reading_a_file),
    "prints photographs": ("operation_not_allowed", _printing),
    "says photographs in an error": ("operation_not_allowed", _asserting),
    "chooses a photograph": ("operation_not_allowed", _choosing_photographs),
    "makes a data set of its own": ("operation_not_allowed", _other_data),
    "makes a data set of a file": ("type_not_allowed", _files_as_data),
    "keeps numbers for the next call": ("operation_not_allowed", _keeping_for_later),
}


@pytest.mark.parametrize(("rule", "function"), _TRACED.values(), ids=_TRACED)
def test_a_graph_that_does_more_than_compute(attack, honest, rule, function):
    assert _rule(attack, honest, _traced(function)) == rule


def test_a_graph_that_writes_photographs_to_a_file(attack, honest, tmp_path):
    path = tmp_path / "photographs"
    computation = _traced(_writing_a_file(str(path)))
    assert _rule(attack, honest, computation) == "operation_not_allowed"
    assert not path.exists()


def _hide(operation: str, **attributes: bytes) -> Change:
    """Puts an operation in a function that a reduction calls."""

    def change(computation, graph):
        added = function_with(graph, "Size").node_def.add(name="hidden", op=operation)
        for name, value in attributes.items():
            added.attr[name].s = value

    return change


def _initialise(computation, graph):
    graph.node.add(name="restore", op="RestoreV2")
    computation.tensorflow.initialize_op = "restore"


def _uncalled(computation, graph):
    function = graph.library.function.add()
    function.CopyFrom(function_with(graph, "Size"))
    function.signature.name = "uncalled"
    function.node_def.add(name="write", op="WriteFile")


def _handle_of_another_session(computation, graph):
    tensor = graph.node.add(name="handle", op="Const").attr["value"].tensor
    tensor.dtype = 20
    tensor.resource_handle_val.add(name="iterator", container="localhost")


def _path_in_a_constant(computation, graph):
    tensor = graph.node.add(name="path", op="Const").attr["value"].tensor
    tensor.dtype = 7
    tensor.string_val.append(b"/etc/passwd")


def _deep(computation, graph):
    for at in range(900):
        function = graph.library.function.add()
        function.signature.name = f"deep_{at}"
        if at:
            call = function.node_def.add(name="call", op="PartitionedCall")
            call.attr["f"].func.name = f"deep_{at - 1}"
            for name in ("Tin", "Tout"):
                call.attr[name].list.SetInParent()


def _doubling(computation, graph):
    for at in range(14):
        function = graph.library.function.add()
        function.signature.name = f"double_{at}"
        function.node_def.add(name="nothing", op="NoOp")
        for call_num in range(8 if at else 0):
            call = function.node_def.add(name=f"call_{call_num}", op="PartitionedCall")
            call.attr["f"].func.name = f"double_{at - 1}"
            for name in ("Tin", "Tout"):
                call.attr[name].list.SetInParent()


def _lying_header(computation, graph):
    tensor = node(graph, "Const").attr["value"].tensor
    tensor.tensor_shape.dim.add(size=2**20)
    tensor.tensor_content = b"1234"


def _one_value_for_terabytes(computation, graph):
    tensor = node(graph, "Const").attr["value"].tensor
    for _ in range(5):
        tensor.tensor_shape.dim.add(size=2**10)


def _outputs_without_end(computation, graph):
    added = graph.node.add(name="many", op="ShapeN")
    added.attr["N"].i = 2**31 - 1
    added.attr["T"].type = 1


def _result(**shape: Any) -> Change:
    def change(computation, graph):
        tensor = computation.type.function.result.struct.element[0].value.tensor
        tensor.ClearField("dims")
        tensor.dims.extend(shape.get("dims", []))
        tensor.unknown_rank = shape.get("unknown_rank", False)

    return change


def _name_what_the_store_adds(computation, graph):
    computation.tensorflow.result.struct.element[0].tensor.tensor_name = "store0/Placeholder:0"


def _give_the_data_set(computation, graph):
    computation.tensorflow.result.struct.element[0].CopyFrom(
        computation.tensorflow.parameter.struct.element[0]
    )
    computation.type.function.result.struct.element[0].value.CopyFrom(
        computation.type.function.parameter.struct.element[0].value
    )


# What is wrong with the type of the result (`egress_outputs`) the daemon sees before the executor.
_CHANGED: dict[str, tuple[str, Change]] = {
    "Python in a function": ("operation_not_allowed", _hide("EagerPyFunc", token=b"pyfunc_0")),
    "a socket in a function": ("operation_not_allowed", _hide("RpcCall", address=b"evil:1")),
    "a tensor sent to another machine": ("operation_not_allowed", _hide("_Send")),
    "a collective operation": ("operation_not_allowed", _hide("CollectiveReduceV2")),
    "a serialised data set": ("operation_not_allowed", _hide("DatasetFromGraph")),
    "the data set serialised": ("operation_not_allowed", _hide("DatasetToGraphV2")),
    "a snapshot": ("operation_not_allowed", _hide("SaveDatasetV2", compression=b"")),
    "a function that nothing calls": ("operation_not_allowed", _uncalled),
    "an initialiser": ("operation_not_allowed", _initialise),
    "a captured handle": ("type_not_allowed", _handle_of_another_session),
    "a captured path": ("type_not_allowed", _path_in_a_constant),
    "XLA under a legal name": (
        "attribute_not_allowed",
        lambda c, g: (
            g.library.function[0].attr["_XlaMustCompile"].CopyFrom(tf.compat.v1.AttrValue(b=True))
        ),
    ),
    "another kernel under a legal name": (
        "attribute_not_allowed",
        lambda c, g: setattr(node(g, "Identity").attr["_kernel"], "s", b"other"),
    ),
    "a gradient of Python's registry": (
        "attribute_not_allowed",
        lambda c, g: setattr(node(g, "Identity").attr["_gradient_op_type"], "s", b"Custom"),
    ),
    "a text under a legal name": (
        "text_not_allowed",
        lambda c, g: setattr(node(g, "ReduceDataset").attr["metadata"], "s", b"x"),
    ),
    "an operation called as a function": (
        "function_not_found",
        lambda c, g: setattr(node(g, "StatelessWhile").attr["body"].func, "name", "ReadFile"),
    ),
    "another machine's device": (
        "device_not_allowed",
        lambda c, g: setattr(node(g, "Identity"), "device", "/job:evil/task:0/CPU:0"),
    ),
    "a result of open size": ("egress_outputs", _result(dims=[-1])),
    "a result of open rank": ("egress_outputs", _result(unknown_rank=True)),
    "functions nested deep": ("functions_too_deep", _deep),
    "functions that double": ("too_many_running_nodes", _doubling),
    "a million references": (
        "too_many_arguments",
        lambda c, g: node(g, "Identity").input.extend(["^Const"] * 1_000_000),
    ),
    "a header that lies": ("constant_malformed", _lying_header),
    "one value for terabytes": ("shape_too_large", _one_value_for_terabytes),
    "outputs without end": ("number_too_large", _outputs_without_end),
    "the store's own placeholder": ("binding_not_found", _name_what_the_store_adds),
    "the data set as a result": ("egress_outputs", _give_the_data_set),
}


@pytest.mark.parametrize(("rule", "change"), _CHANGED.values(), ids=_CHANGED)
def test_a_graph_with_something_hidden_in_it(attack, honest, rule, change):
    assert _rule(attack, honest, changed(change)) == rule


def test_a_graph_nested_thousands_deep(attack, honest):
    value = b""
    for _ in range(5000):  # an attribute's function, whose attribute is a function, and so on
        value = _field(10, _field(2, _field(2, value)))
    nested = _field(1, _field(5, _field(2, value)))
    computation = computation_pb2.Computation.FromString(honest.computation)
    computation.tensorflow.graph_def.value += nested
    assert _rule(attack, honest, computation.SerializeToString()) == "nested_too_deep"


def test_a_graph_that_swells_when_it_is_parsed(attack, honest):
    computation = computation_pb2.Computation.FromString(honest.computation)
    computation.tensorflow.graph_def.value = b"\x0a\x00" * (GraphBounds().max_graph_fields + 1)
    assert _rule(attack, honest, computation.SerializeToString()) == "too_many_fields"


def test_a_graph_of_more_bytes_than_a_store_takes(attack, honest):
    computation = computation_pb2.Computation.FromString(honest.computation)
    computation.tensorflow.graph_def.value += bytes(GraphBounds().max_graph_bytes)
    assert _rule(attack, honest, computation.SerializeToString()) == "graph_too_large"


def test_a_graph_that_keeps_the_daemon_reading(attack, honest):
    computation = honest.computation + bytes(GraphBounds().max_graph_bytes)
    assert _rule(attack, honest, computation) == "egress_outputs"


def test_after_all_that_the_store_works(attack, honest):
    _works(attack, honest, round_num=1)


def test_an_unapproved_graph_that_is_sent_whole_is_compared_and_no_more(attack, honest, tmp_path):
    attack.agree(train=honest)
    path = tmp_path / "photographs"
    caller = attack.caller()
    with pytest.raises(CallFailed) as failure:
        caller.work(_traced(_writing_a_file(str(path))))
    assert failure.value.reason == "approved_work_only"
    assert not path.exists()


def _endless(data, weights):
    (_, found) = tf.while_loop(
        lambda i, w: tf.reduce_all(w > -1.0), lambda i, w: (i, w * 1.0), (0, weights)
    )
    return honest_update(data, found)


def test_a_loop_without_end_is_stopped_in_time(attack, honest):
    endless = tiny_work(_endless)
    attack.agree(train=endless)
    with pytest.raises(CallFailed) as failure:
        attack.ask(endless, round_num=2)
    assert failure.value.reason == "took_too_long"
    _works(attack, honest, round_num=3)


def _hog(data, weights):
    count = tf.cast(tf.reduce_sum(weights), tf.int64) + 2**42
    return honest_update(data, weights + tf.reduce_max(tf.fill([count], 1.0)))


def test_more_memory_than_there_is_fails_the_work_alone(attack, honest):
    hog = tiny_work(_hog)
    attack.agree(train=hog)
    with pytest.raises(CallFailed) as failure:
        attack.ask(hog, round_num=4)
    # TensorFlow asks for memory for ten seconds before it gives up, longer than this store lets it.
    assert failure.value.reason in ("out_of_memory", "took_too_long")
    _works(attack, honest, round_num=5)


def test_a_compressed_bomb_costs_the_link_alone(attack, honest):
    bomb = Frame(Kind.PACKED, {"number": 1, "size": 2**20}, [zlib.compress(bytes(2**27))])
    attack.write(encode_frame(bomb))
    attack.reconnected()
    _works(attack, honest, round_num=6)


def _crash(data, weights):
    # oneDNN's kernel of TensorFlow 2.14 aborts the process where a size is negative.
    sizes = tf.cast(weights, tf.int32) - 1
    ones = tf.ones([1, 4, 4, 1])
    image = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=sizes,
        filter=tf.ones([1, 1, 1, 1]),
        out_backprop=ones,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )
    return honest_update(data, weights + tf.reduce_sum(image))


def test_a_crash_of_tensorflow_is_outlived_and_said(attack, honest):
    crash = tiny_work(_crash)
    attack.agree(train=crash)
    with pytest.raises(CallFailed) as failure:
        attack.ask(crash, round_num=7)
    assert failure.value.reason == "executor_down"
    _works(attack, honest, round_num=8)
    assert f"the executor ended (signal {signal.SIGABRT.value}" in attack.log()


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer."""
    length, size = b"", len(content)
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
