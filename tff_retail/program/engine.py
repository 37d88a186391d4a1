"""Where the stores of a run do their work: in this process, or on the actors of a Ray cluster."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from datasets.examples import Examples
from datasets.store_photographs import StorePhotographs
from tff_retail.config import RuntimeConfig
from tff_retail.program.baselines import BaselineTrainer
from tff_retail.program.local_baselines import LocalBaselines
from tff_retail.program.ray_chain import RayChain
from tff_retail.program.recogniser import Recogniser
from tff_retail.program.simulated_chain import SimulatedChain
from tff_retail.runtime.federated_round import Collector
from tff_retail.runtime.plain_collector import PlainCollector
from tff_retail.runtime.ray_cluster import RayCluster
from tff_retail.runtime.store import Store
from tff_retail.runtime.tensorflow_settings import (
    apply_tensorflow_settings,
    default_parallel_stores,
    is_cpu,
    parallel_stores_at_end,
)


class Engine(Protocol):
    """The stores of a run, at work somewhere."""

    @property
    def devices(self) -> list[str]:
        """What they compute on, such as `['/GPU:0']`; `''` is a CPU."""
        ...

    @property
    def parallel_stores(self) -> int:
        """How many of them work side by side."""
        ...

    def number(self, photographs: StorePhotographs) -> int:
        """The number of the store that has these photographs."""
        ...

    def store(self, photographs: StorePhotographs) -> Store:
        """The store that has these photographs."""
        ...

    def collector(self, role: str) -> Collector:
        """Sums what the stores give."""
        ...

    def baselines(self, first_weights: Sequence[np.ndarray]) -> BaselineTrainer:
        """Trains baselines from these weights."""
        ...

    def close(self) -> None:
        """Ends all work."""
        ...


class Headquarters:
    """This process: its TensorFlow, and the Ray cluster that it belongs to, if any.

    Args:
      config: where the work shall run.
      seed: of the run.

    Raises:
      ConfigurationError: there is no such device or no such cluster.
    """

    def __init__(self, config: RuntimeConfig, *, seed: int) -> None:
        self._is_local = config.engine == "local"
        # On Ray the stores' devices are the actors' own; this process prepares, merges, updates.
        here = config if self._is_local else dataclasses.replace(config, device="cpu")
        self.devices = apply_tensorflow_settings(here, seed=seed)
        self.parallel = default_parallel_stores(here, self.devices)
        self._config = config

    @contextlib.contextmanager
    def cluster(self) -> Iterator[RayCluster | None]:
        """Joins, or starts, the Ray cluster of the configuration; None with the local engine."""
        if self._is_local:
            yield None
            return
        config = self._config
        cluster = RayCluster(
            config.ray_address,
            num_cpus=self.parallel * config.intra_op_threads,
            has_gpus=config.device != "cpu",
        )
        try:
            yield cluster
        finally:
            cluster.close()

    def engine(
        self,
        recogniser: Recogniser,
        photographs: Sequence[StorePhotographs],
        cluster: RayCluster | None,
        *,
        say: Callable[[str], None],
    ) -> Engine:
        """The stores at work.

        Args:
          recogniser: whose graphs they run.
          photographs: of all stores; a store's number is its position.
          cluster: what `cluster` gave.
          say: told where a promise does not hold.
        """
        if cluster is not None:
            return RayChain(recogniser, photographs, cluster, say=say)
        return _LocalEngine(recogniser, photographs, self.devices, self.parallel)


class _LocalEngine:
    """Simulated stores in this process."""

    def __init__(
        self,
        recogniser: Recogniser,
        photographs: Sequence[StorePhotographs],
        devices: list[str],
        parallel_stores: int,
    ) -> None:
        self._recogniser = recogniser
        self._photographs = photographs
        has_cpu, is_parallel = is_cpu(devices), parallel_stores > 1
        self._chain = SimulatedChain(recogniser, devices, have_own_cores=has_cpu and is_parallel)
        self.devices = devices
        self.parallel_stores = parallel_stores

    def number(self, photographs: StorePhotographs) -> int:
        return self._photographs.index(photographs)

    def store(self, photographs: StorePhotographs) -> Store:
        return self._chain.store(photographs)

    def collector(self, role: str) -> Collector:
        form = self._recogniser.forms[role]
        return PlainCollector(
            form,
            parallel_stores=self.parallel_stores,
            parallel_at_end=parallel_stores_at_end(self.parallel_stores, self.devices),
        )

    def baselines(self, first_weights: Sequence[np.ndarray]) -> BaselineTrainer:
        def load(number: int, split: str) -> Examples:
            return self._chain.examples(self._photographs[number]).load(split)

        return LocalBaselines(self._recogniser, first_weights, load, self.parallel_stores)

    def close(self) -> None:
        self._chain.close()
