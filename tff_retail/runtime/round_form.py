"""The round form: the handful of graphs that a federated round is made of.

Parts and their order are those of `tff.backends.mapreduce.MapReduceForm` (Bonawitz et al. 2019,
"Towards Federated Learning at Scale", section 2; TFF's package documentation):

    prepare -> work at each store -> accumulate, merge -> report -> update
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime.data_loops import with_loops
from tff_retail.runtime.graph_part import GraphPart

_CompilationError = tff.backends.mapreduce.compiler.MapReduceFormCompilationError

PARTS = (
    "prepare",
    "work",
    "zero",
    "accumulate",
    "merge",
    "report",
    "secure_sum_bitwidth",
    "secure_sum_max_input",
    "secure_modular_sum_modulus",
    "update",
)
_SLOW_REWRITES = (
    "arithmetic_optimization",
    "layout_optimizer",
    "loop_optimization",
    "remapping",
    "shape_optimization",
)


@dataclasses.dataclass(frozen=True)
class RoundForm:
    """A learning process as plain graphs, without a weight in any part but `initialize`.

    Attributes:
      initialize: gives the first state.
      parts: the graphs of a round, by the names in `PARTS`.
    """

    initialize: GraphPart
    parts: Mapping[str, GraphPart]

    def __getitem__(self, name: str) -> GraphPart:
        return self.parts[name]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of every part of a round, by name."""
        return {name: self.parts[name].digest for name in PARTS}


def compile_round_form(
    initialize: tff.Computation,
    next_computation: tff.Computation,
) -> RoundForm:
    """Compiles `(() -> S@SERVER)` and `(<S@SERVER, {D}@CLIENTS> -> <S@SERVER, M@SERVER>)`.

    Raises:
      TypeError: the computation has no round form: it takes or gives something else, or a round of
        it needs more than one exchange with each store.
    """
    try:
        form = tff.backends.mapreduce.get_map_reduce_form_for_computation(
            _looping(next_computation), grappler_config=_grappler_config()
        )
        first = tff.backends.mapreduce.get_state_initialization_computation(
            initialize, grappler_config=_grappler_config()
        )
    except (TypeError, ValueError, _CompilationError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise TypeError(
            "A round must be of the form (<S@SERVER, {D}@CLIENTS> -> <S@SERVER, M@SERVER>) and "
            f"reach each store once, found otherwise: {reason}"
        ) from error
    parts = {name: compile_part(getattr(form, name)) for name in PARTS}
    return RoundForm(compile_part(first), parts)


def _looping(computation: tff.Computation) -> tff.Computation:
    proto = tff.framework.serialize_computation(computation)
    looping = with_loops(proto)
    return computation if looping == proto else tff.framework.deserialize_computation(looping)


def _grappler_config() -> tf.compat.v1.ConfigProto:
    """What differs from TFF's own, which it is merged into: functions are inlined, little else.

    Rewriting for memory computes activations a second time for the gradient and so hides from
    oneDNN which operations can be fused: 12 % slower on a small CNN. Aggressive inlining would undo
    what `data_loops` does. The slow ones take 9 of MobileNetV2's 21 seconds of compiling and win
    nothing after it. The bits are the same with and without.
    """
    config = tf.compat.v1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.memory_optimization = options.NO_MEM_OPT
    options.function_optimization = options.ON
    options.meta_optimizer_iterations = options.ONE
    for name in _SLOW_REWRITES:
        setattr(options, name, options.OFF)
    return config


def compile_part(computation: tff.Computation) -> GraphPart:
    """A plain TensorFlow computation as a part of its own."""
    return GraphPart.from_computation(tff.framework.serialize_computation(computation))


def save_round_form(form: RoundForm, folder: pathlib.Path) -> None:
    """Writes the parts, and last of all their digests, which marks the folder complete."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = {"initialize": form.initialize, **form.parts}
    for name, part in everything.items():
        _replace(folder / f"{name}.pb", part.computation)
    digests = {name: part.digest for name, part in everything.items()}
    _replace(folder / "digests.json", json.dumps(digests, indent=2).encode())


def load_round_form(folder: pathlib.Path) -> RoundForm | None:
    """Reads what `save_round_form` wrote; None where nothing complete and unharmed is there."""
    try:
        digests = json.loads((folder / "digests.json").read_bytes())
        names = ("initialize", *PARTS)
        everything = {name: GraphPart((folder / f"{name}.pb").read_bytes()) for name in names}
    except (FileNotFoundError, ValueError):  # a damaged file of digests is a ValueError
        return None
    if not isinstance(digests, dict) or digests.keys() != everything.keys():
        return None
    if any(part.digest != digests[name] for name, part in everything.items()):
        return None
    return RoundForm(everything.pop("initialize"), everything)


def _replace(path: pathlib.Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
