"""Where a run's work runs."""

import dataclasses

from tff_retail.config.requirement import require, require_one_of

DEVICES = ("auto", "cpu", "gpu")
ENGINES = ("local", "ray")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Where the work runs.

    Attributes:
      device: `auto` takes a GPU where TensorFlow sees one.
      parallel_stores: stores trained side by side; None for as many as serve.
      intra_op_threads: threads inside one operation; part of what makes a model bit for bit
        the same, so it is fixed, not measured.
      deterministic: op determinism, which a GPU needs for equal bits.
      engine: `local`, this process, or `ray`, actors on a Ray cluster.
      ray_address: `auto` for the cluster that this machine belongs to, HOST:PORT for the one with
        this head, `local` to start one here for as long as the run takes.
    """

    device: str = "auto"
    parallel_stores: int | None = None
    intra_op_threads: int = 1
    deterministic: bool = False
    engine: str = "local"
    ray_address: str = "auto"

    def __post_init__(self) -> None:
        require_one_of("device", self.device, DEVICES)
        require_one_of("engine", self.engine, ENGINES)
        require(
            self.ray_address in ("auto", "local") or _is_host_and_port(self.ray_address),
            "ray_address",
            "auto, local or HOST:PORT",
            self.ray_address,
        )
        require(
            self.parallel_stores is None or 1 <= self.parallel_stores <= 256,
            "parallel_stores",
            "auto or in [1, 256]",
            self.parallel_stores,
        )
        require(
            1 <= self.intra_op_threads <= 256,
            "intra_op_threads",
            "in [1, 256]",
            self.intra_op_threads,
        )


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and "/" not in host and port.isdigit() and 0 < int(port) < 2**16
