"""How large a graph may be that a store loads."""

import dataclasses

from tff_retail.config import ConfigurationError

_MIB = 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphBounds:
    """Bounds on one graph, several times what the largest model of this project needs.

    That is a ResNet-50 for 5,000 labels: 4.1 MB, 300,000 fields, 21,000 nodes in 3 functions, 600
    arguments of one of them, and constants of 516 MiB (zeros for every weight of the optimiser).

    Attributes:
      max_graph_bytes: of the serialised computation.
      max_graph_fields: of its protocol buffers, which is what parsing takes time and memory by.
      max_nodes: in the graph and all its functions.
      max_running_nodes: likewise, a function counted as often as it is called.
      max_outputs: of all operations of the graph, and of each function.
      max_functions: of its library.
      max_function_depth: functions that call one another, from the graph down.
      max_arguments: of one operation, of one function and of the computation; elements of a list
        in an attribute.
      max_constant_bytes: of all constants together, as large as they are in memory.
      max_tensor_elements: of a shape that the graph declares.
      max_rank: likewise.
      max_seconds: that one piece of work may take before it is stopped.
    """

    max_graph_bytes: int = 32 * _MIB
    max_graph_fields: int = 2_000_000
    max_nodes: int = 100_000
    max_running_nodes: int = 400_000
    max_outputs: int = 1_000_000
    max_functions: int = 1_000
    max_function_depth: int = 16
    max_arguments: int = 10_000
    max_constant_bytes: int = 2048 * _MIB
    max_tensor_elements: int = 2**28
    max_rank: int = 8
    max_seconds: int = 6 * 3600

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if type(value) is not int or value < 1:
                raise ConfigurationError(
                    f"{name} must be a whole number from 1 on, found {value!r}; leave it out for "
                    "the default"
                )
