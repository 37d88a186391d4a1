"""How many workers a run takes of a Ray cluster, and what each of them needs."""

import dataclasses
from collections.abc import Mapping

from tff_retail.config import RuntimeConfig, require


@dataclasses.dataclass(frozen=True)
class WorkerPlan:
    """Workers that do one store's work each at a time.

    Attributes:
      num_workers: side by side.
      device: `cpu` or `gpu`.
      num_cpus, num_gpus: of each; several workers share a GPU where a fraction is said.
    """

    num_workers: int
    device: str
    num_cpus: float
    num_gpus: float

    @property
    def device_name(self) -> str:
        """TensorFlow's name of what a worker computes on: a GPU is the only one it sees."""
        return "/GPU:0" if self.device == "gpu" else ""


def plan_workers(
    config: RuntimeConfig, resources: Mapping[str, float], num_stores: int
) -> WorkerPlan:
    """As many workers as `--parallel_stores` says, or as the cluster has CPUs or GPUs for.

    Args:
      config: of the run.
      resources: of all nodes, such as `{"CPU": 8.0, "GPU": 1.0}`.
      num_stores: with more workers than stores some would never work.

    Raises:
      ConfigurationError: the cluster has too few.
    """
    gpus = int(resources.get("GPU", 0))
    require(
        config.device != "gpu" or gpus > 0,
        "device",
        "auto or cpu where no node of the Ray cluster has a GPU",
        config.device,
        "start the nodes that have one with: ray start --num-gpus=N",
    )
    if gpus and config.device != "cpu":
        wanted = min(config.parallel_stores or gpus, max(num_stores, 1))
        workers_a_gpu = -(-wanted // gpus)
        return WorkerPlan(wanted, "gpu", num_cpus=0, num_gpus=1 / workers_a_gpu)
    cpus = int(resources.get("CPU", 0))
    room = cpus // config.intra_op_threads
    require(
        room >= max(config.parallel_stores or 1, 1),
        "parallel_stores" if config.parallel_stores else "intra_op_threads",
        f"at most {room if config.parallel_stores else cpus}, for which the Ray cluster has CPUs",
        config.parallel_stores or config.intra_op_threads,
        "start more nodes, or choose fewer",
    )
    wanted = min(config.parallel_stores or room, max(num_stores, 1))
    return WorkerPlan(wanted, "cpu", num_cpus=config.intra_op_threads, num_gpus=0)
