"""The rules that a graph is held against before it is loaded, and what their names mean."""

from collections.abc import Mapping

GRAPH_RULES: Mapping[str, str] = {
    # Of its protocol buffers.
    "graph_too_large": "a graph has more bytes than the store's policy takes",
    "too_many_fields": "a graph's protocol buffers have more fields than the policy takes",
    "nested_too_deep": "a graph's protocol buffers are nested too deep",
    "malformed_graph": "a graph can't be read",
    "unknown_field": "a graph has fields that no graph has",
    "no_tensorflow_graph": "a computation holds something else than a TensorFlow graph",
    # Of the graph as a whole.
    "graph_version": "a graph was made by a TensorFlow of another time than the store's",
    "debug_information": "a graph comes with debug information",
    "too_many_nodes": "a graph has more operations than the policy takes",
    "too_many_running_nodes": "the functions of a graph call one another too often",
    "too_many_outputs": "a graph's operations have more outputs than the policy takes",
    "too_many_functions": "a graph has more functions than the policy takes",
    "too_many_arguments": "an operation or a function of a graph has too many arguments",
    "functions_too_deep": "the functions of a graph call one another too deep",
    "function_calls_itself": "a function of a graph calls itself",
    "gradient_not_allowed": "a graph names functions as gradients of others",
    # Of its nodes and functions.
    "operation_not_allowed": "a graph has an operation that is not on the store's list",
    "attribute_not_allowed": "an operation of a graph has an attribute that it may not have",
    "attribute_missing": "an operation of a graph does not say what its outputs are",
    "text_not_allowed": "an attribute of a graph has a text that the store does not know",
    "number_too_large": "an attribute of a graph has too large a number",
    "type_not_allowed": "a graph has texts or handles where it must have numbers",
    "device_not_allowed": "a graph names a device that is not of the store's machine",
    "name_not_allowed": "a name in a graph is too long, or not one",
    "name_taken": "two parts of a graph have one name",
    "input_not_found": "an operation of a graph takes a tensor that is not there",
    "function_not_found": "an operation of a graph calls a function that is not there",
    "function_malformed": "a function of a graph is not of one type, or gives not what it says",
    # Of its shapes and constants.
    "shape_malformed": "a shape in a graph is none",
    "shape_too_large": "a shape in a graph is larger than the policy takes",
    "constant_malformed": "a constant of a graph is not as large as it says",
    "constants_too_large": "the constants of a graph take more memory than the policy allows",
    # Of what it takes and gives.
    "binding_malformed": "what a graph takes or gives is not of its type",
    "binding_not_found": "a graph takes or gives a tensor that is not in it",
    "one_data_set": "a graph takes no data set, or several",
    "result_not_allowed": "a graph gives a data set",
    "shape_not_fixed": "a graph takes or gives a tensor whose size is open",
}
