import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import function_names, part_session, round_form


class _Numbers:
    """A pipeline of int32 numbers."""

    def input_specs(self):
        return {"numbers": tf.TensorSpec([None], tf.int32)}

    def build(self, inputs):
        return tf.data.Dataset.from_tensor_slices(inputs["numbers"])


def _compile(*, step: int = 2):
    """Loops and branches within a data set's function, so that nothing inlines them."""

    @tf.function
    def doubled_while_small(number):
        return tf.while_loop(lambda n: n < 100, lambda n: [n * step], [number])[0]

    def mapped(number):
        return tf.cond(number > 3, lambda: doubled_while_small(number), lambda: -number)

    @tff.tensorflow.computation(tff.SequenceType(np.int32))
    def total(data):
        return data.map(mapped).reduce(np.int32(0), lambda state, element: state + element)

    return total


def _graph(computation: tff.Computation) -> tf.compat.v1.GraphDef:
    proto = tff.framework.serialize_computation(computation)
    return tf.compat.v1.GraphDef.FromString(proto.tensorflow.graph_def.value)


def _function_names(graph: tf.compat.v1.GraphDef) -> list[str]:
    return [function.signature.name for function in graph.library.function]


def test_two_compiles_in_one_process_are_one_part():
    one, two = _compile(), _compile()
    assert set(_function_names(_graph(one))).isdisjoint(_function_names(_graph(two)))
    first, second = round_form.compile_part(one), round_form.compile_part(two)
    assert len(_function_names(first.graph_def())) >= 5  # the loop's two, the branches, the sum
    assert first.digest == second.digest


def test_a_change_deep_inside_changes_the_names_of_all_that_call_it():
    two, three = (round_form.compile_part(_compile(step=step)) for step in (2, 3))
    in_two, in_three = (set(_function_names(part.graph_def())) for part in (two, three))
    assert two.digest != three.digest
    # The loop's condition, the other branch and the sum are the same; the rest is not.
    assert len(in_two & in_three) == len(in_two) - len(in_two - in_three) == 3
    assert len(in_two - in_three) >= 3


def test_a_renamed_part_computes_what_it_did():
    session = part_session.PartSession(round_form.compile_part(_compile()), [_Numbers()])
    numbers = np.array([1, 5, 2, 99], np.int32)
    assert session(data=[{"numbers": numbers}]) == [-1 + 160 - 2 + 198]
    session.close()


def test_two_graphs_can_be_joined():
    graph = tf.Graph()
    results = []
    with graph.as_default():
        for step in (2, 3):
            part = round_form.compile_part(_compile(step=step))
            variant = tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(np.int32(4)))
            results += tf.import_graph_def(
                part.graph_def(),
                input_map={part.parameter[0].tensor: variant},
                return_elements=[part.result[0].tensor],
                name=f"by_{step}",
            )
    with tf.compat.v1.Session(graph=graph) as session:
        assert session.run(results) == [128, 108]


def _stateful_graph(*, is_stateful: bool) -> tf.compat.v1.GraphDef:
    """Two functions that are equal but for their names, called one after the other."""
    graph = tf.compat.v1.GraphDef()
    for name in ("drawn_8", "drawn_12"):
        function = graph.library.function.add()
        function.signature.name = name
        function.signature.is_stateful = is_stateful
        function.signature.output_arg.add(name="out", type=tf.float32.as_datatype_enum)
        call = graph.node.add(name=f"call_{name}", op="PartitionedCall")
        call.attr["f"].func.name = name
    return graph


def test_equal_functions_that_keep_state_stay_two():
    graph = _stateful_graph(is_stateful=True)
    function_names.name_functions_by_content(graph)
    called = [node.attr["f"].func.name for node in graph.node]
    assert called == sorted(_function_names(graph))
    assert [name[-2:] for name in called] == ["_1", "_2"]
    assert called[0][:-2] == called[1][:-2]


def test_equal_functions_without_state_become_one():
    graph = _stateful_graph(is_stateful=False)
    function_names.name_functions_by_content(graph)
    (name,) = _function_names(graph)
    assert [node.attr["f"].func.name for node in graph.node] == [name, name]


def test_what_nothing_calls_and_what_python_alone_reads_is_dropped():
    graph = _stateful_graph(is_stateful=False)
    del graph.node[0]
    graph.node[0].attr["_gradient_op_type"].s = b"PartitionedCall-12"
    graph.library.function[1].attr["forward_function_name"].s = b"__forward_drawn_8"
    (kept,) = (f for f in graph.library.function if f.signature.name == "drawn_12")
    kept.arg_attr[0].attr["_user_specified_name"].s = b"args_0"
    function_names.name_functions_by_content(graph)
    (function,) = graph.library.function
    assert graph.node[0].attr["f"].func.name == function.signature.name
    assert "_gradient_op_type" not in graph.node[0].attr
    assert not function.attr and not function.arg_attr[0].attr


def test_gradients_and_direct_calls_follow():
    graph = _stateful_graph(is_stateful=False)
    graph.library.function[1].signature.input_arg.add(name="x", type=tf.float32.as_datatype_enum)
    graph.library.gradient.add(function_name="drawn_8", gradient_func="drawn_12")
    graph.node[0].op = "drawn_8"
    del graph.node[0].attr["f"]
    function_names.name_functions_by_content(graph)
    (pair,) = graph.library.gradient
    assert (pair.function_name, pair.gradient_func) == (
        graph.node[0].op,
        graph.node[1].attr["f"].func.name,
    )
    assert {pair.function_name, pair.gradient_func} == set(_function_names(graph))


def test_a_function_that_calls_itself_is_refused():
    graph = _stateful_graph(is_stateful=False)
    graph.library.function[0].node_def.add(name="again", op="drawn_8")
    with pytest.raises(TypeError, match="must not call itself, found drawn_8"):
        function_names.name_functions_by_content(graph)


@pytest.mark.parametrize(
    ("names", "argument"),
    [
        ([], "argument_0"),
        (["other", "my_argument"], "argument_0"),
        (["argument"], "argument__0"),
        (["arguments"], "argument__0"),
        (["argument_0", "argument__x"], "argument____0"),
        (["argument" + "_" * 300, "argument"], "argument" + "_" * 302 + "0"),
    ],
)
def test_arguments_are_named_as_no_node_is(names, argument):
    graph = tf.compat.v1.GraphDef()
    function = graph.library.function.add()
    function.signature.name = "function"
    function.signature.input_arg.add(name="x", type=1)
    for name in names:
        function.node_def.add(name=name, op="NoOp")
    graph.node.add(name="call", op="PartitionedCall").attr["f"].func.name = "function"
    function_names.name_functions_by_content(graph)
    (found,) = graph.library.function
    assert found.signature.input_arg[0].name == argument
