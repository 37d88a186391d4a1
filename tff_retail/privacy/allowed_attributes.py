"""What the attributes of an operation may say, beside what its definition fixes.

TensorFlow accepts any attribute whose name begins with `_`, and hands it to whoever looks for it:
XLA, the placer, the optimiser, kernels of other makers. So these come from a list too. A text
is a way to name something outside (a file, a resource of another session, a server), so a text is
refused wherever the operation's definition does not enumerate it, but for what is listed here.
"""

import re
from collections.abc import Mapping

# By name: the kind of value, a field of TensorFlow's AttrValue.
ALLOWED_UNDERSCORED: Mapping[str, str] = {
    "_class": "list",  # nodes of the same graph to be placed with, checked
    "_collective_manager_ids": "list",  # empty
    "_has_manual_control_dependencies": "b",
    "_lower_using_switch_merge": "b",
    "_num_original_outputs": "i",
    "_read_only_resource_inputs": "list",  # empty
}

# Of a function of the library, and of a mention of one.
ALLOWED_OF_FUNCTION: Mapping[str, str] = {
    "_construction_context": "s",
    "_noinline": "b",
    "_tf_data_function": "b",
}
# Of a function's argument.
ALLOWED_OF_ARGUMENT: Mapping[str, str] = {"_class": "list", "_output_shapes": "list"}

# By attribute: what a text may be. `config_proto` is how a call's function is to be rewritten and
# run; a store overwrites it before it loads a graph (`runtime.part_session`).
ALLOWED_TEXTS: Mapping[str, re.Pattern[bytes]] = {
    "_construction_context": re.compile(rb"kEagerRuntime"),
    "config_proto": re.compile(rb"(?s).{0,4096}"),
    "frame_name": re.compile(rb"[A-Za-z0-9_./-]{1,512}"),
    "metadata": re.compile(rb""),
}
# Whose `config_proto` is overwritten.
OPERATIONS_WITH_CONFIG = ("PartitionedCall", "StatefulPartitionedCall")
