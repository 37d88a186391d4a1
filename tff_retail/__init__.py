"""Federated training of product recognisers over the stores of a retail chain.

    import tff_retail
    summary = tff_retail.run(tff_retail.RunConfig(data=tff_retail.DataConfig(data_dir="chain")))

Importing this package imports no TensorFlow; `run` and `connect_fleet` do when
they are first used.
"""

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from tff_retail.config import (
    ConfigurationError,
    DataConfig,
    FleetConfig,
    LearningConfig,
    ModelConfig,
    RunConfig,
    RuntimeConfig,
    ScheduleConfig,
)

if TYPE_CHECKING:
    from tff_retail.program.fleet_context import connect_fleet
    from tff_retail.program.run import run

__all__ = [
    "ConfigurationError",
    "DataConfig",
    "FleetConfig",
    "LearningConfig",
    "ModelConfig",
    "RunConfig",
    "RuntimeConfig",
    "ScheduleConfig",
    "connect_fleet",
    "run",
]

# TensorFlow reads this when it is imported, so it must stand here, before the flags are parsed.
# At level 2 it would still print three lines about GPU libraries at every start.
if not any(argument.lstrip("-").startswith(("v=", "verbosity=")) for argument in sys.argv[1:]):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # gRPC likewise; it would print a line of OpenSSL's for each connection that is turned away.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def __getattr__(name: str) -> Any:
    if name == "run":
        from tff_retail.program.run import run

        return run
    if name == "connect_fleet":
        from tff_retail.program.fleet_context import connect_fleet

        return connect_fleet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@atexit.register
def _let_go_of_stock_runtime() -> None:
    """TFF installs a context when it is imported that complains if the interpreter's end drops it.

    Its destructor looks up modules that are gone by then; dropped here, it also stops the worker
    process where one was started.
    """
    tff = sys.modules.get("tensorflow_federated")
    if tff is not None:
        tff.framework.set_default_context(tff.test.create_runtime_error_context())
