"""What the results of a process depend on beside its configuration: versions, CPU, environment."""

import dataclasses
import importlib.metadata
import os
import platform
import socket
from collections.abc import Mapping

from tff_retail.config import ConfigurationError

# What TensorFlow and oneDNN read from the environment, on which bits may depend.
_SETTINGS = ("TF_", "ONEDNN_", "DNNL_", "XLA_")
# Instruction sets that oneDNN and Eigen choose their kernels by.
_INSTRUCTION_SETS = ("avx", "fma", "amx", "sse4")
_PACKAGES = ("tensorflow", "keras", "numpy")


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Where a process runs.

    Attributes:
      host: the machine's name.
      versions: of what the numbers depend on.
      instruction_sets: of its CPU.
      missing: a file of a store that this process can't read, or None.
    """

    host: str
    versions: Mapping[str, str]
    instruction_sets: tuple[str, ...]
    missing: str | None = None

    def require_alike(self, here: "Surroundings") -> None:
        """Refuses a worker that can't do the work of this run.

        Args:
          here: of the process that runs it.

        Raises:
          ConfigurationError: it lacks data, or has other versions.
        """
        if self.missing is not None:
            raise ConfigurationError(
                "--cache_dir must be a folder that every node of the Ray cluster reaches by the "
                f"same path, found no {self.missing!r} on {self.host}; put the cache on a disk "
                "that all nodes share"
            )
        if self.versions != here.versions:
            raise ConfigurationError(
                "Every node of the Ray cluster must have the same environment, found "
                f"{dict(self.versions)} on {self.host} and {dict(here.versions)} here; make it "
                "anew there with: make venv RAY=1"
            )


def find_surroundings() -> Surroundings:
    """Where this process runs."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    versions["python"] = platform.python_version()
    return Surroundings(socket.gethostname(), versions, _instruction_sets())


def tensorflow_environment() -> dict[str, str]:
    """The variables of this process that a worker must have too, lest its bits differ."""
    return {name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}


def _instruction_sets() -> tuple[str, ...]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "")
    names = [name for name in flags.split() if name.startswith(_INSTRUCTION_SETS)]
    return (platform.machine(), *sorted(names))
