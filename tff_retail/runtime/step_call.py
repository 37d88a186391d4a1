"""A call of one step of a loop, which TensorFlow leaves a call."""

from collections.abc import Sequence

from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2


def make_step_call(
    call: node_def_pb2.NodeDef,
    step: function_pb2.FunctionDef,
    reference: attr_value_pb2.NameAttrList,
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> None:
    """Makes `call` a call of a step that stays one.

    Args:
      call: an empty node with its name and inputs.
      step: what is called; it is marked, so that TensorFlow neither inlines nor passes it over.
      reference: its name and attributes, as the node that called it has them.
      inputs, outputs: its types.
    """
    call.op = "StatefulPartitionedCall"
    call.attr["f"].func.CopyFrom(reference)
    call.attr["Tin"].list.type.extend(inputs)
    call.attr["Tout"].list.type.extend(outputs)
    step.attr["_noinline"].b = True
    # What a reduction calls bears this mark, and TensorFlow does not rewrite what bears it.
    step.attr.pop("_tf_data_function", None)
