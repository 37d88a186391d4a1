"""A chain's stores on the actors of a Ray cluster: the same graphs on the same data."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from datasets.store_photographs import StorePhotographs
from tff_retail.config import RuntimeConfig
from tff_retail.program.baseline_job import BaselineJob
from tff_retail.program.chain_worker import ChainWorker, HostedChain
from tff_retail.program.pooled_training import Baseline
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.surroundings import (
    Surroundings,
    find_surroundings,
    tensorflow_environment,
)
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.ray_cluster import RayCluster, import_ray
from tff_retail.runtime.ray_collector import RayCollector
from tff_retail.runtime.ray_store import RayStore
from tff_retail.runtime.ray_workers import Call, RayWorkers
from tff_retail.runtime.worker_plan import WorkerPlan, plan_workers


class RayChain:
    """Simulated stores on Ray.

    Args:
      recogniser: whose graphs they run.
      photographs: of all stores that there are.
      cluster: where the actors are placed.
      say: told where the promise of equal bits does not hold.

    Raises:
      ConfigurationError: the cluster has no room of the kind that `--device` and
        `--parallel_stores` ask for.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        photographs: Sequence[StorePhotographs],
        cluster: RayCluster,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._recogniser = recogniser
        self._photographs = list(photographs)
        runtime = recogniser.config.runtime
        self._plan = plan_workers(runtime, cluster.resources, len(self._photographs))
        self._here, self._say = find_surroundings(), say
        self._differing: set[str] = set()
        start = _starter(recogniser, self._photographs, self._plan, runtime)
        self._workers = RayWorkers(start, self._plan.num_workers, check=self._check)

    @property
    def devices(self) -> list[str]:
        """What each worker computes on: `''` is a CPU."""
        return [self._plan.device_name]

    @property
    def parallel_stores(self) -> int:
        """Stores that work side by side."""
        return self._plan.num_workers

    def number(self, photographs: StorePhotographs) -> int:
        """The number of the store that has these photographs, one of those given."""
        return self._photographs.index(photographs)

    def store(self, photographs: StorePhotographs) -> RayStore:
        """The store that has these photographs."""
        return RayStore(photographs.name, self.number(photographs), self._workers)

    def collector(self, role: str) -> RayCollector:
        """Sums the updates of these stores."""
        plain = PlainCollector(self._recogniser.forms[role], parallel_stores=1)
        return RayCollector(plain, self._workers)

    def baselines(self, first_weights: Sequence[np.ndarray]) -> "RayBaselines":
        """Trains baselines on the actors."""
        return RayBaselines(self._workers, first_weights)

    def close(self) -> None:
        """Ends the actors."""
        self._workers.close()

    def _check(self, there: Surroundings) -> None:
        """Refuses a node that can't do the work; tells of one with another kind of CPU."""
        there.require_alike(self._here)
        differs = there.instruction_sets != self._here.instruction_sets
        if differs and there.host not in self._differing:
            self._differing.add(there.host)
            self._say(
                f"{there.host} has another kind of CPU than this machine: this run repeats to "
                "tolerance, not bit for bit"
            )


class RayBaselines:
    """A `BaselineTrainer` on actors.

    Args:
      workers: whose actors have `train_baseline(job, first_weights)`.
      first_weights: the ones the run started from.
    """

    def __init__(self, workers: RayWorkers, first_weights: Sequence[np.ndarray]) -> None:
        self._workers = workers
        self._first_weights = list(first_weights)

    def train(
        self,
        jobs: Sequence[BaselineJob],
        *,
        on_result: Callable[[BaselineJob, Baseline], None],
        on_rounds: Callable[[int], None],
    ) -> None:
        """See `BaselineTrainer.train`."""
        weights = import_ray().put(self._first_weights)
        calls = [
            Call("train_baseline", (job, weights), f"the baseline of {job.name}") for job in jobs
        ]

        def take(number: int, baseline: Baseline) -> None:
            on_result(jobs[number], baseline)
            on_rounds(jobs[number].rounds)

        self._workers.run(calls, take)


def _starter(
    recogniser: Recogniser,
    photographs: Sequence[StorePhotographs],
    plan: WorkerPlan,
    runtime: RuntimeConfig,
) -> Callable[[], Any]:
    """What starts a worker; graphs and paths go into Ray's object store once."""
    ray = import_ray()
    hosted = ray.put(
        HostedChain(
            recogniser,
            [one.without_lock() for one in photographs],
            dataclasses.replace(runtime, device=plan.device),
        )
    )
    worker = ray.remote(ChainWorker).options(
        num_cpus=plan.num_cpus, num_gpus=plan.num_gpus, scheduling_strategy="SPREAD"
    )
    environment = tensorflow_environment()
    return lambda: worker.remote(environment, [hosted])
