"""The operations that a graph at a store may hold: all others are refused.

The list comes from the graphs that this project makes, of every network, precision, optimiser and
encoding (`tests/privacy/test_allowed_graphs.py` makes them anew), and from those of TFF's own
algorithms that hold their weights in no variables (FedAvg, FedProx, MimeLite; `EnsureShape`,
`FloorMod`, `LessEqual`, `ReduceDataset`, `Squeeze`, `ZerosLike` are theirs alone). What counts:

* no files, sockets, other devices' memory, Python, printing: none of these has a kernel here;
* no state that outlives a call: no variables, hash tables, queues, stacks, barriers, no random
  generator with a position, so that nothing of one call is found by another;
* no strings: neither a path nor a message can be made, and no serialised data set or graph;
* no data set but the one that the store binds: what reads one is here, what makes one is not.

An operation that is not here belongs here only when a graph of ours needs it.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class OperationKind:
    """Operations that may be there for one reason.

    Attributes:
      name: of the kind.
      reason: why they do no harm.
      operations: their names in TensorFlow.
      has_state: whether TensorFlow counts them as stateful; the reason then says why not here.
      holds_handles: whether they may hold what is no number: a data set, an iterator, a list of
        tensors.
    """

    name: str
    reason: str
    operations: tuple[str, ...]
    has_state: bool = False
    holds_handles: bool = False


OPERATION_KINDS = (
    OperationKind(
        "inputs and constants",
        "A placeholder holds what the store feeds; the bytes of a constant are checked. The one "
        "placeholder of strings, TFF's session token, is fed by nobody.",
        ("Const", "NoOp"),
    ),
    OperationKind(
        "inputs",
        "See above; the data set arrives through one.",
        ("Placeholder",),
        holds_handles=True,
    ),
    OperationKind(
        "reading the data set that the store binds",
        "They take a data set or its iterator from an input, and no operation here makes another. "
        "An anonymous iterator ends with its call.",
        ("AnonymousIteratorV3", "IteratorGetNext", "IteratorGetNextAsOptional", "MakeIterator"),
        has_state=True,
        holds_handles=True,
    ),
    OperationKind(
        "its elements",
        "An optional holds one element.",
        ("OptionalGetValue", "OptionalHasValue"),
        holds_handles=True,
    ),
    OperationKind(
        "going through all of them",
        "It calls a function of this graph's library with each; what is stateful is what it calls.",
        ("ReduceDataset",),
        has_state=True,
        holds_handles=True,
    ),
    OperationKind(
        "calls of functions with state",
        "What is stateful about them is what they call: functions of this graph's library, each "
        "checked like the graph itself. An endless loop is stopped after `max_seconds`.",
        ("StatefulPartitionedCall", "While"),
        has_state=True,
        holds_handles=True,
    ),
    OperationKind(
        "calls, branches and loops",
        "They hand values on, to functions of this graph's library where they call any.",
        (
            "Enter",
            "Exit",
            "Identity",
            "IdentityN",
            "Merge",
            "NextIteration",
            "PartitionedCall",
            "StatelessIf",
            "StatelessWhile",
            "Switch",
        ),
        holds_handles=True,
    ),
    OperationKind(
        "conditions",
        "They look at one boolean.",
        ("LoopCond",),
    ),
    OperationKind(
        "lists of tensors in a loop",
        "A list is a value like another: it ends with its call.",
        (
            "TensorListConcatV2",
            "TensorListLength",
            "TensorListReserve",
            "TensorListSetItem",
        ),
        holds_handles=True,
    ),
    OperationKind(
        "arithmetic",
        "Numbers in, numbers out.",
        (
            "Abs",
            "AddN",
            "AddV2",
            "Bitcast",
            "BitwiseOr",
            "Cast",
            "DivNoNan",
            "Floor",
            "FloorDiv",
            "FloorMod",
            "L2Loss",
            "LeftShift",
            "MatMul",
            "Maximum",
            "Minimum",
            "Mul",
            "Neg",
            "Pow",
            "RealDiv",
            "Reciprocal",
            "Rsqrt",
            "Sqrt",
            "Square",
            "Sub",
        ),
    ),
    OperationKind(
        "comparisons",
        "Numbers in, booleans out, or one of two numbers.",
        (
            "Equal",
            "Greater",
            "IsFinite",
            "Less",
            "LessEqual",
            "LogicalAnd",
            "LogicalNot",
            "SelectV2",
        ),
    ),
    OperationKind(
        "sums over axes",
        "Numbers in, fewer numbers out.",
        (
            "All",
            "ArgMax",
            "InTopKV2",
            "Max",
            "Mean",
            "Prod",
            "Sum",
            "UnsortedSegmentSum",
        ),
    ),
    OperationKind(
        "shapes and places",
        "Numbers in, the same numbers elsewhere. How large the result is may depend on values, so "
        "it is bounded by the executor's memory alone.",
        (
            "BroadcastGradientArgs",
            "BroadcastTo",
            "ConcatV2",
            "DynamicStitch",
            "EnsureShape",
            "ExpandDims",
            "Fill",
            "GatherV2",
            "OneHot",
            "OnesLike",
            "Pack",
            "Pad",
            "Range",
            "Reshape",
            "Shape",
            "ShapeN",
            "Size",
            "Slice",
            "Squeeze",
            "StridedSlice",
            "Tile",
            "ZerosLike",
        ),
    ),
    OperationKind(
        "layers and their gradients",
        "Numbers in, numbers out.",
        (
            "BiasAdd",
            "BiasAddGrad",
            "Conv2D",
            "Conv2DBackpropFilter",
            "Conv2DBackpropInput",
            "DepthwiseConv2dNative",
            "DepthwiseConv2dNativeBackpropFilter",
            "DepthwiseConv2dNativeBackpropInput",
            "MaxPool",
            "MaxPoolGrad",
            "Relu",
            "Relu6",
            "Relu6Grad",
            "ReluGrad",
            "Softmax",
            "SoftmaxCrossEntropyWithLogits",
            "SparseSoftmaxCrossEntropyWithLogits",
        ),
    ),
    OperationKind(
        "random numbers of a seed",
        "The same seed gives the same numbers: they hold no position between calls.",
        (
            "StatelessRandomUniformFullIntV2",
            "StatelessRandomUniformV2",
        ),
    ),
)

ALLOWED_OPERATIONS: Mapping[str, OperationKind] = {
    operation: kind for kind in OPERATION_KINDS for operation in kind.operations
}
