"""How a store's executor child begins: confined first, TensorFlow afterwards.

python -m tff_retail.program.executor_child DESCRIPTOR SETTINGS
"""

import os
import sys

from tff_retail.config import ConfigurationError
from tff_retail.program.executor_sandbox import NEEDED, Layer, enter_sandbox, layers_line
from tff_retail.program.executor_settings import ExecutorSettings
from tff_retail.program.parent_death import die_with_parent
from tff_retail.program.sandbox_paths import sandbox_paths

_EXIT_USAGE = 2


def start_child(arguments: list[str]) -> None:
    """Confines this process and runs `store_executor` in it.

    Args:
      arguments: descriptor of the socket to the daemon, and settings, as `ExecutorSettings` writes
        them.
    """
    settings = ExecutorSettings.from_json(arguments[1])
    try:
        layers = enter_sandbox(sandbox_paths(settings))
        _require(layers, settings)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        os._exit(_EXIT_USAGE)
    # After namespaces and privileges, whose change may undo it.
    die_with_parent(settings.parent)
    if settings.is_first:
        print(layers_line(layers), file=sys.stderr, flush=True)
    from tff_retail.program.store_executor import main

    main(arguments)


def _require(layers: list[Layer], settings: ExecutorSettings) -> None:
    lacking = [layer for layer in layers if layer.missing and layer.name in NEEDED]
    if lacking and settings.needs_sandbox:
        raise ConfigurationError(
            'policy: sandbox = "required" must be possible on this machine, found '
            f"{layers_line(layers)}; use a newer kernel, or let containers and services have the "
            "system calls of Landlock and seccomp"
        )


if __name__ == "__main__":
    start_child(sys.argv[1:])
