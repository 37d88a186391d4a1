"""What keeps a store's executor from the network and from files that are none of its business.

Layers, each used where this kernel has it. A graph that found a hole in TensorFlow would run as
this process: it is to find no network, no programs to run, no keys, and photographs that it can
read and not change. Called before TensorFlow is imported, while the process has one thread: what
comes later inherits all of it, and none of it can be taken back.
"""

import ctypes
import dataclasses
import os
import resource
from collections.abc import Callable, Sequence

from tff_retail.program.landlock import landlock_abi, restrict_files
from tff_retail.program.network_namespace import drop_capabilities, leave_network
from tff_retail.program.sandbox_paths import SandboxPaths
from tff_retail.program.seccomp_filter import deny_system_calls

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
# A core dump has photographs in it. The kernel pipes one to a program even where the limit is 0,
# and not where it is 1 (fs/coredump.c); a file of one byte is none.
_NO_CORE = 1

FILES, CALLS = "files (Landlock)", "system calls (seccomp)"
# Without these a hole in TensorFlow is a leak; the others stand behind them.
NEEDED = frozenset({FILES, CALLS})


@dataclasses.dataclass(frozen=True)
class Layer:
    """One wall.

    Attributes:
      name: for people.
      missing: why it does not stand; '' where it does.
    """

    name: str
    missing: str


def enter_sandbox(paths: SandboxPaths) -> list[Layer]:
    """Confines this process, for good, as far as the kernel can.

    Args:
      paths: that stay in reach.

    Returns:
      All layers, in the order in which they were tried.
    """
    # A wall is built around a thread and those that it starts.
    assert len(os.listdir("/proc/self/task")) == 1
    resource.setrlimit(resource.RLIMIT_CORE, (_NO_CORE, _NO_CORE))
    walls: Sequence[tuple[str, Callable[[], None]]] = (
        ("no network (namespace)", leave_network),
        ("no privileges", _give_up_privileges),
        (FILES, lambda: _restrict_files(paths)),
        (CALLS, deny_system_calls),
    )
    return [Layer(name, _attempt(build)) for name, build in walls]


def layers_line(layers: Sequence[Layer]) -> str:
    """What stands and what does not, in one line."""
    stands = ", ".join(layer.name for layer in layers if not layer.missing) or "nothing"
    lacks = "; ".join(f"{layer.name}: {layer.missing}" for layer in layers if layer.missing)
    return f"the executor is confined by {stands}" + (f"; not by {lacks}" if lacks else "")


def _attempt(build: Callable[[], None]) -> str:
    try:
        build()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _give_up_privileges() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    drop_capabilities()


def _restrict_files(paths: SandboxPaths) -> None:
    if not landlock_abi():
        raise OSError("this kernel has no Landlock, or it is switched off")
    restrict_files(readable=paths.readable, writable=paths.writable, devices=paths.devices)
