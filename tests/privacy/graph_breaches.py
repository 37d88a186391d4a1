"""What an attacker makes of the small computation: each breaks one rule of the graph check."""

from tensorflow.core.framework import attr_value_pb2, full_type_pb2, types_pb2

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import computation_pb2

from tests.privacy.small_computation import Change, function_with, node
from tff_retail.privacy.graph_bounds import GraphBounds

_BOUNDS = GraphBounds()


def _add(graph, operation, name="added", **attributes):
    added = graph.node.add(name=name, op=operation)
    for key, value in attributes.items():
        added.attr[key].CopyFrom(value)
    return added


def _attr(**value):
    return attr_value_pb2.AttrValue(**value)


def _constant(graph, dtype=types_pb2.DT_FLOAT, sizes=(), name="added", **content):
    added = _add(graph, "Const", name, dtype=_attr(type=dtype))
    tensor = added.attr["value"].tensor
    tensor.dtype = dtype
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    for field, values in content.items():
        if isinstance(values, bytes):
            setattr(tensor, field, values)
        else:
            getattr(tensor, field).extend(values)
    return tensor


def _copied_function(graph, name):
    function = graph.library.function.add()
    function.CopyFrom(function_with(graph, "Less"))
    function.signature.name = name
    return function


def _call(nodes, function, name="call"):
    call = nodes.add(name=name, op="PartitionedCall")
    call.attr["f"].func.name = function
    for key in ("Tin", "Tout"):
        call.attr[key].list.SetInParent()
    return call


def _chain_of_functions(graph, length, calls_each=1):
    for at in range(length):
        function = graph.library.function.add()
        function.signature.name = f"link_{at}"
        for call in range(calls_each if at else 0):
            _call(function.node_def, f"link_{at - 1}", f"call_{call}")
        function.node_def.add(name="nothing", op="NoOp")
    _call(graph.node, f"link_{length - 1}")


def _set_attr(nodes, operation, attribute, **value):
    node(nodes, operation).attr[attribute].CopyFrom(_attr(**value))


def _nested_attribute(graph):
    attribute = node(graph, "Identity").attr["_class"]
    for _ in range(40):
        attribute = attribute.list.func.add(name="f").attr["_class"]


def _nested_type(computation, graph):
    element = computation.type.function.result
    for _ in range(28):
        element = element.struct.element.add().value


def _initialise(computation, graph):
    _add(graph, "RestoreV2", "restore")
    computation.tensorflow.initialize_op = "restore"


def _clear_binding(computation, graph):
    computation.tensorflow.result.struct.ClearField("element")


# Rule, and what breaks it; the small computation's nodes are listed in `small_computation`.
BREACHES: list[tuple[str, str, Change]] = [
    # Operations, wherever they are. None of these has a place at a store.
    *[
        (f"operation: {operation}", "operation_not_allowed", lambda c, g, o=operation: _add(g, o))
        for operation in (
            "ReadFile WriteFile MatchingFiles SaveV2 RestoreV2 Save Restore TextLineReaderV2 "
            "WholeFileReaderV2 TFRecordReaderV2 FixedLengthRecordDatasetV2 TextLineDataset "
            "TFRecordDatasetV2 CSVDatasetV2 SSTableDataset SqlDataset LMDBDataset ListFilesDataset "
            "CacheDataset CacheDatasetV2 SnapshotDatasetV2 SaveDatasetV2 LoadDataset "
            "AssertNextDataset DatasetFromGraph DatasetToGraphV2 DatasetToTFRecord "
            "RegisterDatasetV2 DataServiceDatasetV4 TensorDataset TensorSliceDataset RangeDataset "
            "GeneratorDataset MapDataset TakeDataset FilterDataset ZipDataset OneShotIterator "
            "IteratorV2 IteratorFromStringHandleV2 DeserializeIterator SerializeIterator "
            "IteratorToStringHandle WrapDatasetVariant UnwrapDatasetVariant PyFunc PyFuncStateless "
            "EagerPyFunc Print PrintV2 StringFormat Assert LogString Abort Timestamp DebugIdentity "
            "DebugIdentityV3 DebugNanCount Send Recv _Send _HostRecv CollectiveReduceV2 "
            "CollectiveBcastSendV2 RpcCall RemoteCall VarHandleOp ReadVariableOp AssignVariableOp "
            "VariableV2 HashTableV2 MutableHashTableV2 InitializeTableFromTextFileV2 StackV2 "
            "FIFOQueueV2 BarrierV2 TensorArrayV3 MapStage GetSessionTensor GetSessionHandleV2 "
            "StatefulRandomBinaryV2 RandomUniform XlaLaunch TPUExecute SymbolicGradient "
            "DecodeImage DecodeRaw EncodePng StringJoin AsString SummaryWriter WriteSummary "
            "ImageSummary BoostedTreesEnsembleResourceHandleOp _MklNativeConv2D FusedTPUEmbedding "
            "MyOwnOperation"
        ).split()
    ],
    (
        "operation in a function that is called",
        "operation_not_allowed",
        lambda c, g: function_with(g, "Size").node_def.add(name="x", op="ReadFile"),
    ),
    (
        "operation in a function that nothing calls",
        "operation_not_allowed",
        lambda c, g: _copied_function(g, "idle").node_def.add(name="x", op="WriteFile"),
    ),
    (
        "a function's name as an operation",
        "operation_not_allowed",
        lambda c, g: _add(g, g.library.function[0].signature.name),
    ),
    (
        "operation that initialises",
        "operation_not_allowed",
        _initialise,
    ),
    (
        "operation behind a control input",
        "operation_not_allowed",
        lambda c, g: (_add(g, "PrintV2", "p"), node(g, "Identity").input.append("^p")),
    ),
    # Attributes.
    (
        "attribute that the definition lacks",
        "attribute_not_allowed",
        lambda c, g: _set_attr(g, "Identity", "file", s=b"/etc/passwd"),
    ),
    *[
        (
            f"attribute {name}",
            "attribute_not_allowed",
            lambda c, g, n=name: _set_attr(g, "Identity", n, b=True),
        )
        for name in (
            "_XlaCompile _XlaMustCompile _kernel _gradient_op_type _implements api_implements "
            "_grappler_do_not_remove _cloned _scoped_allocator _xla_inferred_shapes _dst _src "
            "_tpu_replicate _device _forward_input _stateful"
        ).split()
    ],
    (
        "attribute of another kind",
        "attribute_not_allowed",
        lambda c, g: _set_attr(g, "Identity", "T", s=b"float"),
    ),
    (
        "list of another kind",
        "attribute_not_allowed",
        lambda c, g: node(g, "StatelessWhile").attr["T"].list.s.append(b"x"),
    ),
    (
        "attribute that waits for a value",
        "attribute_not_allowed",
        lambda c, g: _set_attr(g, "Identity", "T", placeholder="T"),
    ),
    (
        "function in an underscored attribute",
        "attribute_not_allowed",
        lambda c, g: node(g, "Identity").attr["_class"].list.func.add(name="f"),
    ),
    (
        "call that binds a function's attributes",
        "attribute_not_allowed",
        lambda c, g: node(g, "StatelessWhile").attr["body"].func.attr["T"].CopyFrom(_attr(i=1)),
    ),
    (
        "attribute of a function",
        "attribute_not_allowed",
        lambda c, g: g.library.function[0].attr["_XlaMustCompile"].CopyFrom(_attr(b=True)),
    ),
    (
        "implementation of another function",
        "attribute_not_allowed",
        lambda c, g: g.library.function[0].attr["api_implements"].CopyFrom(_attr(s=b"x")),
    ),
    (
        "attribute of an argument",
        "attribute_not_allowed",
        lambda c, g: g.library.function[0].arg_attr[0].attr["_device"].CopyFrom(_attr(s=b"x")),
    ),
    (
        "placed with what is elsewhere",
        "attribute_not_allowed",
        lambda c, g: node(g, "Identity").attr["_class"].list.s.append(b"loc:@store0/Placeholder"),
    ),
    (
        "text that an enumeration lacks",
        "attribute_not_allowed",
        lambda c, g: _add(g, "MaxPool", padding=_attr(s=b"/etc/passwd")),
    ),
    (
        "text of a reduction",
        "text_not_allowed",
        lambda c, g: _set_attr(g, "ReduceDataset", "metadata", s=b"x"),
    ),
    (
        "executor of a call",
        "text_not_allowed",
        lambda c, g: (
            _call(g.node, g.library.function[0].signature.name)
            .attr["executor_type"]
            .CopyFrom(_attr(s=b"OTHER"))
        ),
    ),
    (
        "settings that nothing overwrites",
        "text_not_allowed",
        lambda c, g: (
            _call(g.node, g.library.function[0].signature.name)
            .attr["config"]
            .CopyFrom(_attr(s=b"x"))
        ),
    ),
    (
        "outputs by the thousand million",
        "number_too_large",
        lambda c, g: _add(g, "ShapeN", N=_attr(i=2**30), T=_attr(type=1)),
    ),
    (
        "padding by the thousand million",
        "number_too_large",
        lambda c, g: _add(g, "MaxPool").attr["ksize"].list.i.extend([1, 2**40, 1, 1]),
    ),
    (
        "iterations at once",
        "number_too_large",
        lambda c, g: _set_attr(g, "StatelessWhile", "parallel_iterations", i=2**14),
    ),
    (
        "no number of outputs",
        "attribute_missing",
        lambda c, g: _add(g, "ShapeN", T=_attr(type=1)),
    ),
    ("negative outputs", "attribute_missing", lambda c, g: _add(g, "ShapeN", N=_attr(i=-1))),
    # Types.
    *[
        (
            f"type {types_pb2.DataType.Name(dtype)}",
            "type_not_allowed",
            lambda c, g, d=dtype: _set_attr(g, "ReduceDataset", "output_types", list={"type": [d]}),
        )
        for dtype in (0, 7, 8, 11, 18, 20, 21, 24, 101, 107)
    ],
    (
        "texts handed round",
        "type_not_allowed",
        lambda c, g: _add(g, "Identity", T=_attr(type=types_pb2.DT_STRING)),
    ),
    (
        "data sets added up",
        "type_not_allowed",
        lambda c, g: _add(g, "AddV2", T=_attr(type=types_pb2.DT_VARIANT)),
    ),
    (
        "a data set of data sets",
        "type_not_allowed",
        lambda c, g: (
            _add(g, "IteratorGetNext").attr["output_types"].list.type.append(types_pb2.DT_VARIANT)
        ),
    ),
    (
        "handle in a constant",
        "type_not_allowed",
        lambda c, g: _constant(g, types_pb2.DT_RESOURCE),
    ),
    (
        "variant in a constant",
        "type_not_allowed",
        lambda c, g: _constant(g, types_pb2.DT_VARIANT),
    ),
    (
        "path in a constant",
        "type_not_allowed",
        lambda c, g: _constant(g, types_pb2.DT_STRING, string_val=[b"/etc/passwd"]),
    ),
    ("type that is none", "type_not_allowed", lambda c, g: _constant(g, 77)),
    (
        "full type of texts",
        "type_not_allowed",
        lambda c, g: setattr(
            node(g, "Identity").experimental_type, "type_id", full_type_pb2.TFT_STRING
        ),
    ),
    (
        "full type with a name",
        "type_not_allowed",
        lambda c, g: node(g, "Identity").experimental_type.args.add(s="variable"),
    ),
    # Shapes and constants.
    (
        "shape beyond memory",
        "shape_too_large",
        lambda c, g: node(g, "Placeholder").attr["shape"].shape.dim.add(size=2**50),
    ),
    (
        "shape whose product overflows",
        "shape_too_large",
        lambda c, g: [node(g, "Placeholder").attr["shape"].shape.dim.add(size=2**33)] * 2,
    ),
    (
        "shape of many dimensions",
        "shape_too_large",
        lambda c, g: [node(g, "Placeholder").attr["shape"].shape.dim.add() for _ in range(255)],
    ),
    (
        "negative size",
        "shape_malformed",
        lambda c, g: node(g, "Placeholder").attr["shape"].shape.dim.add(size=-7),
    ),
    (
        "one value that stands for memory",
        "constants_too_large",
        lambda c, g: [
            _constant(g, sizes=[2**28], name=f"c{at}", float_val=[1.0]) for at in range(3)
        ],
    ),
    (
        "content shorter than its shape",
        "constant_malformed",
        lambda c, g: _constant(g, sizes=[1000], tensor_content=b"1234"),
    ),
    (
        "content longer than its shape",
        "constant_malformed",
        lambda c, g: _constant(g, sizes=[1], tensor_content=b"12345678"),
    ),
    (
        "more values than its shape",
        "constant_malformed",
        lambda c, g: _constant(g, sizes=[1], float_val=[1.0, 2.0]),
    ),
    (
        "values of another type",
        "constant_malformed",
        lambda c, g: _constant(g, sizes=[2], int_val=[1, 2]),
    ),
    (
        "values and content",
        "constant_malformed",
        lambda c, g: _constant(g, sizes=[1], float_val=[1.0], tensor_content=b"1234"),
    ),
    (
        "handles beside numbers",
        "constant_malformed",
        lambda c, g: _constant(g).resource_handle_val.add(name="another session's"),
    ),
    ("open size", "constant_malformed", lambda c, g: _constant(g, sizes=[-1])),
    (
        "open rank",
        "constant_malformed",
        lambda c, g: setattr(_constant(g).tensor_shape, "unknown_rank", True),
    ),
    # Names, devices, inputs.
    *[
        (
            f"device {device}",
            "device_not_allowed",
            lambda c, g, d=device: setattr(node(g, "Identity"), "device", d),
        )
        for device in (
            "/job:worker/task:1/CPU:0",
            "/job:localhost/replica:0/task:0/device:CPU:0",
            "/device:TPU:0",
            "/device:XLA_CPU:0",
            "/CPU:*",
            "/CPU:0\n",
        )
    ],
    *[
        (f"name {name[:9]!r}", "name_not_allowed", lambda c, g, n=name: _add(g, "NoOp", n))
        for name in ("", "a b", "a:0", "^a", "ä", "\n", "x" * 600, "_x")
    ],
    (
        "function with an operation's name",
        "name_not_allowed",
        lambda c, g: _copied_function(g, "Identity"),
    ),
    ("node's name twice", "name_taken", lambda c, g: _add(g, "NoOp", g.node[0].name)),
    (
        "function's name twice",
        "name_taken",
        lambda c, g: _copied_function(g, g.library.function[0].signature.name),
    ),
    (
        "argument's name twice",
        "name_taken",
        lambda c, g: function_with(g, "Size").signature.input_arg.add(name="argument_0", type=1),
    ),
    (
        "node with an argument's name",
        "name_taken",
        lambda c, g: function_with(g, "Size").node_def.add(name="argument_0", op="NoOp"),
    ),
    *[
        (
            f"input {tensor}",
            "input_not_found",
            lambda c, g, t=tensor: node(g, "Identity").input.append(t),
        )
        for tensor in ("nobody", "^nobody", "while:4", "while:output:0", "store0/Placeholder:0", "")
    ],
    (
        "input of a function from outside",
        "input_not_found",
        lambda c, g: function_with(g, "Size").node_def[0].input.append("Placeholder"),
    ),
    (
        "result of a function of another type",
        "input_not_found",
        lambda c, g: function_with(g, "Size").ret.update({"identity": "argument_2"}),
    ),
    # Functions.
    (
        "call of what is not there",
        "function_not_found",
        lambda c, g: _call(g.node, "nowhere"),
    ),
    (
        "call of an operation by its name",
        "function_not_found",
        lambda c, g: setattr(node(g, "StatelessWhile").attr["body"].func, "name", "ReadFile"),
    ),
    (
        "function that calls itself",
        "function_calls_itself",
        lambda c, g: _call(
            function_with(g, "Size").node_def, function_with(g, "Size").signature.name
        ),
    ),
    (
        "functions that call each other",
        "function_calls_itself",
        lambda c, g: (
            _chain_of_functions(g, 5),
            _call(g.library.function[-5].node_def, "link_4"),
        ),
    ),
    (
        "functions thousands deep",
        "too_many_functions",
        lambda c, g: _chain_of_functions(g, 5000),
    ),
    ("functions too deep", "functions_too_deep", lambda c, g: _chain_of_functions(g, 900)),
    (
        "functions that double",
        "too_many_running_nodes",
        lambda c, g: _chain_of_functions(g, 12, calls_each=8),
    ),
    (
        "function for any type",
        "function_malformed",
        lambda c, g: g.library.function[0].signature.attr.add(name="T", type="type"),
    ),
    (
        "function across machines",
        "function_malformed",
        lambda c, g: setattr(g.library.function[0].signature, "is_distributed_communication", True),
    ),
    (
        "argument of texts",
        "function_malformed",
        lambda c, g: g.library.function[0].signature.input_arg.add(name="path", type=7),
    ),
    (
        "argument by reference",
        "function_malformed",
        lambda c, g: setattr(g.library.function[0].signature.input_arg[0], "is_ref", True),
    ),
    (
        "result that is not given",
        "function_malformed",
        lambda c, g: g.library.function[0].ret.clear(),
    ),
    (
        "control output that is not there",
        "function_malformed",
        lambda c, g: (
            g.library.function[0].signature.control_output.append("x"),
            g.library.function[0].control_ret.update({"x": "nobody"}),
        ),
    ),
    (
        "gradient by name",
        "gradient_not_allowed",
        lambda c, g: g.library.gradient.add(function_name="a", gradient_func="b"),
    ),
    (
        "registered gradient",
        "gradient_not_allowed",
        lambda c, g: g.library.registered_gradients.add(gradient_func="a"),
    ),
    # The whole.
    ("no version", "graph_version", lambda c, g: g.ClearField("versions")),
    ("of another time", "graph_version", lambda c, g: setattr(g.versions, "producer", 20)),
    ("of the future", "graph_version", lambda c, g: setattr(g.versions, "producer", 9999)),
    ("for the future", "graph_version", lambda c, g: setattr(g.versions, "min_consumer", 9999)),
    ("bad consumers", "graph_version", lambda c, g: g.versions.bad_consumers.append(1575)),
    (
        "debug information",
        "debug_information",
        lambda c, g: g.debug_info.files.append("secret.py"),
    ),
    (
        "too many nodes",
        "too_many_nodes",
        lambda c, g: list(map(g.node.MergeFrom, [[g.node[0]] * _BOUNDS.max_nodes])),
    ),
    (
        "a million references",
        "too_many_arguments",
        lambda c, g: node(g, "Identity").input.extend(["^Const"] * 1_000_000),
    ),
    (
        "a million types",
        "too_many_arguments",
        lambda c, g: node(g, "StatelessWhile").attr["T"].list.type.extend([1] * 1_000_000),
    ),
    (
        "outputs of many operations",
        "too_many_outputs",
        lambda c, g: [
            _add(g, "ShapeN", f"x{at}", N=_attr(i=2**16), T=_attr(type=1)) for at in range(20)
        ],
    ),
    (
        "too many elements of a parameter",
        "too_many_arguments",
        lambda c, g: [c.tensorflow.parameter.struct.element.add() for _ in range(20_000)],
    ),
    ("attributes nested deep", "nested_too_deep", lambda c, g: _nested_attribute(g)),
    ("types nested deep", "nested_too_deep", _nested_type),
    # What is taken and given.
    (
        "another kind of computation",
        "no_tensorflow_graph",
        lambda c, g: c.data.MergeFrom(computation_pb2.Data(uri="store://train")),
    ),
    (
        "another message as graph",
        "no_tensorflow_graph",
        lambda c, g: setattr(
            c.tensorflow.graph_def, "type_url", "type.googleapis.com/tensorflow.X"
        ),
    ),
    ("no function", "binding_malformed", lambda c, g: c.type.tensor.SetInParent()),
    (
        "unbound parameter",
        "binding_malformed",
        lambda c, g: c.tensorflow.ClearField("parameter"),
    ),
    ("unbound result", "binding_malformed", _clear_binding),
    (
        "tensor bound to a data set",
        "binding_malformed",
        lambda c, g: setattr(
            c.tensorflow.parameter.struct.element[1].sequence, "variant_tensor_name", "x:0"
        ),
    ),
    (
        "one tensor for two inputs",
        "binding_malformed",
        lambda c, g: (
            c.type.function.parameter.struct.element.add().CopyFrom(
                c.type.function.parameter.struct.element[1]
            ),
            c.tensorflow.parameter.struct.element.add().CopyFrom(
                c.tensorflow.parameter.struct.element[1]
            ),
        ),
    ),
    *[
        (
            f"result {name}",
            "binding_not_found",
            lambda c, g, n=name: setattr(
                c.tensorflow.result.struct.element[0].tensor, "tensor_name", n
            ),
        )
        for name in ("store0/Placeholder:0", "Identity", "Identity:1", "Identity_1:0", "^Const", "")
    ],
    (
        "an input that is computed",
        "binding_not_found",
        lambda c, g: setattr(
            c.tensorflow.parameter.struct.element[1].tensor, "tensor_name", "while:3"
        ),
    ),
    (
        "data set that is none",
        "binding_not_found",
        lambda c, g: setattr(
            c.tensorflow.parameter.struct.element[0].sequence,
            "variant_tensor_name",
            "arg_weights:0",
        ),
    ),
    (
        "first operation that is not there",
        "binding_not_found",
        lambda c, g: setattr(c.tensorflow, "initialize_op", "store0/init"),
    ),
    (
        "session token that is not there",
        "binding_not_found",
        lambda c, g: setattr(c.tensorflow, "session_token_tensor_name", "arg_weights:0"),
    ),
    (
        "no data set",
        "one_data_set",
        lambda c, g: (
            c.tensorflow.parameter.struct.element.__delitem__(0),
            c.type.function.parameter.struct.element.__delitem__(0),
        ),
    ),
    (
        "the data set as a result",
        "result_not_allowed",
        lambda c, g: (
            c.tensorflow.result.struct.element[0].CopyFrom(
                c.tensorflow.parameter.struct.element[0]
            ),
            c.type.function.result.struct.element[0].value.CopyFrom(
                c.type.function.parameter.struct.element[0].value
            ),
        ),
    ),
    (
        "result of open size",
        "shape_not_fixed",
        lambda c, g: c.type.function.result.struct.element[0].value.tensor.dims.append(-1),
    ),
    (
        "result of open rank",
        "shape_not_fixed",
        lambda c, g: setattr(
            c.type.function.result.struct.element[0].value.tensor, "unknown_rank", True
        ),
    ),
    (
        "parameter of open size",
        "shape_not_fixed",
        lambda c, g: c.type.function.parameter.struct.element[1].value.tensor.dims.append(-1),
    ),
    (
        "result beyond memory",
        "shape_too_large",
        lambda c, g: c.type.function.result.struct.element[0].value.tensor.dims.append(2**50),
    ),
    (
        "result of texts",
        "type_not_allowed",
        lambda c, g: setattr(
            c.type.function.result.struct.element[0].value.tensor, "dtype", types_pb2.DT_STRING
        ),
    ),
]
