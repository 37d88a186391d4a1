"""A Ray actor that does the work of simulated stores, one at a time.

Nothing that TensorFlow reads when it is imported may come before `__init__`, so it is imported
there: this module alone needs none.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tff_retail.config import RuntimeConfig
from tff_retail.program.surroundings import Surroundings, find_surroundings

if TYPE_CHECKING:
    import numpy as np

    from datasets.store_photographs import StorePhotographs
    from tff_retail.program.baseline_job import BaselineJob
    from tff_retail.program.pooled_training import Baseline
    from tff_retail.program.recogniser import Recogniser
    from tff_retail.runtime.cohort_sums import PartialSum
    from tff_retail.runtime.plain_collector import Outcome
    from tff_retail.runtime.store import WorkResult


@dataclasses.dataclass(frozen=True)
class HostedChain:
    """What a worker is sent once: the graphs, and where the stores' examples lie.

    Attributes:
      recogniser: whose graphs the stores run.
      photographs: of all stores, without pixels and locks; a store's number is its position.
      runtime: threads and device of the worker.
    """

    recogniser: "Recogniser"
    photographs: Sequence["StorePhotographs"]
    runtime: RuntimeConfig


class ChainWorker:
    """Does the work of any store of a chain.

    Args:
      environment: of the process, before TensorFlow is imported.
      hosted: the `ObjectRef` of a `HostedChain`, in a list, lest Ray read it before `__init__`.
    """

    def __init__(self, environment: Mapping[str, str], hosted: Sequence[Any]) -> None:
        os.environ.update(environment)
        import ray

        chain: HostedChain = ray.get(hosted[0])
        from tff_retail.program.simulated_chain import SimulatedChain
        from tff_retail.runtime.plain_collector import PlainCollector
        from tff_retail.runtime.tensorflow_settings import apply_tensorflow_settings, is_cpu

        seed = chain.recogniser.config.schedule.seed
        devices = apply_tensorflow_settings(chain.runtime, seed=seed)
        self._chain = chain
        # Ray gives each worker CPUs of its own.
        self._simulated = SimulatedChain(chain.recogniser, devices, have_own_cores=is_cpu(devices))
        self._stores = [self._simulated.store(photographs) for photographs in chain.photographs]
        self._collectors = {
            role: PlainCollector(form, parallel_stores=1)
            for role, form in chain.recogniser.forms.items()
        }

    def ready(self) -> Surroundings:
        """Where this worker is."""
        files = (file for photographs in self._chain.photographs for file in photographs.files)
        missing = next((str(file) for file in files if not os.access(file, os.R_OK)), None)
        return dataclasses.replace(find_surroundings(), missing=missing)

    def fold(
        self,
        role: str,
        numbers: Sequence[int],
        round_num: int,
        seed: int,
        broadcast: Sequence["np.ndarray"],
    ) -> tuple["PartialSum | None", tuple["Outcome", ...]]:
        """The sum over a block of a cohort; see `PlainCollector.fold`."""
        from tff_retail.runtime.store import WorkRequest

        stores = [self._stores[number] for number in numbers]
        request = WorkRequest(role, round_num, seed, broadcast)
        return self._collectors[role].fold(stores, request)

    def work(
        self, role: str, number: int, round_num: int, seed: int, broadcast: Sequence["np.ndarray"]
    ) -> "WorkResult":
        """One store's work; see `Store.run`."""
        from tff_retail.runtime.store import WorkRequest

        return self._stores[number].run(WorkRequest(role, round_num, seed, broadcast))

    def train_baseline(
        self, job: "BaselineJob", first_weights: Sequence["np.ndarray"]
    ) -> "Baseline":
        """Trains a baseline on stores of this chain."""
        from tff_retail.program.baseline_job import train_baseline

        examples = [self._simulated.examples(one) for one in self._chain.photographs]
        return train_baseline(
            job,
            self._chain.recogniser.trained_model(),
            recogniser=self._chain.recogniser,
            first_weights=first_weights,
            load=lambda number, split: examples[number].load(split),
        )
