"""A chain's stores, simulated in this process: real data, real graphs, no network."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from datasets.private_files import replacing
from datasets.store_photographs import StorePhotographs
from tff_retail.learning.metrics import local_metrics
from tff_retail.program.recogniser import FrozenBackbone, Recogniser
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.simulated_store import Role, SimulatedStore

_SPLITS = {"train": "train", "evaluate": "validation"}


class StoreExamples:
    """A store's examples as its roles take them.

    Args:
      photographs: of the store.
      pipelines: by role.
      load: gives the examples of a split; photographs themselves, or their features.
    """

    def __init__(
        self,
        photographs: StorePhotographs,
        pipelines: Mapping[str, ExamplePipeline],
        load: Callable[[str], Examples],
    ) -> None:
        self._name = photographs.name
        self._pipelines = pipelines
        self.load = load

    def feeds(self, role: str, *, seed: int, round_num: int) -> Mapping[str, np.ndarray]:
        """See `LocalData.feeds`."""
        return self._pipelines[role].feeds(
            self.load(_SPLITS[role]), seed=seed, round_num=round_num, store=self._name
        )


class SimulatedChain:
    """Simulated stores that share the sessions of a recogniser's graphs.

    Args:
      recogniser: whose graphs they run.
      devices: what sessions are spread over, such as `['/GPU:0', '/GPU:1']`.
      have_own_cores: whether as many stores as there are cores work side by side.
    """

    def __init__(
        self, recogniser: Recogniser, devices: Sequence[str], *, have_own_cores: bool = False
    ) -> None:
        self._recogniser = recogniser
        self._features = None
        if recogniser.backbone is not None:
            self._features = StoredFeatures(recogniser.backbone, devices)
        reports = {"train": lambda outputs: {}, "evaluate": local_metrics}
        self._roles = {
            role: Role(_pool(recogniser, role, devices, have_own_cores), report)
            for role, report in reports.items()
        }

    def store(self, photographs: StorePhotographs) -> SimulatedStore:
        """The store that has these photographs."""
        return SimulatedStore(photographs.name, self.examples(photographs), self._roles)

    def examples(self, photographs: StorePhotographs) -> StoreExamples:
        """What this store learns from: its photographs, or their features."""
        features = self._features
        load = photographs.load
        if features is not None:

            def load(split: str) -> Examples:
                return features.load(photographs, split)

        return StoreExamples(photographs, self._recogniser.pipelines, load)

    def close(self) -> None:
        """Ends all sessions; work in other threads is cancelled."""
        for role in self._roles.values():
            role.sessions.close()
        if self._features is not None:
            self._features.close()


class StoredFeatures:
    """Features of a frozen backbone, computed at a store once and kept in its cache.

    Args:
      backbone: the graph and its weights.
      devices: what sessions are spread over.
    """

    def __init__(self, backbone: FrozenBackbone, devices: Sequence[str]) -> None:
        self._backbone = backbone
        digest = hashlib.sha256(backbone.work.digest.encode())
        for weight in backbone.weights:
            digest.update(np.ascontiguousarray(weight).tobytes())
        self._digest = digest.hexdigest()
        self._sessions = SessionPool(
            lambda device: PartSession(backbone.work, [backbone.pipeline], device=device), devices
        )

    def load(self, photographs: StorePhotographs, split: str) -> Examples:
        """The features of a split, float32 [n, D], mapped from the store's cache."""
        digest = hashlib.sha256(f"{self._digest}{photographs.image_size}".encode())
        digest.update(np.ascontiguousarray(photographs.digests(split)).tobytes())
        path = photographs.cache_dir / f"features-{split}-{digest.hexdigest()[:32]}.npy"
        if not path.exists():
            with replacing(path) as file:
                np.save(file, self.compute(photographs, split).features, allow_pickle=False)
        examples = photographs.load(split)
        features = np.load(path, mmap_mode="r", allow_pickle=False)
        return Examples(features, examples.labels, examples.keys)

    def compute(self, photographs: StorePhotographs, split: str) -> Examples:
        """The same, computed anew and not kept."""
        examples = photographs.load(split)
        feeds = self._backbone.pipeline.feeds(examples, seed=0, round_num=0, store=photographs.name)
        with self._sessions.session() as session:
            (features,) = session(self._backbone.weights, [feeds])
        return Examples(features, examples.labels, examples.keys)

    def close(self) -> None:
        """Ends the sessions."""
        self._sessions.close()


def _pool(
    recogniser: Recogniser, role: str, devices: Sequence[str], have_own_cores: bool
) -> SessionPool:
    work = recogniser.forms[role]["work"]
    pipeline = recogniser.pipelines[role]

    def make(device: str) -> PartSession:
        return PartSession(work, [pipeline], device=device, has_own_core=have_own_cores)

    return SessionPool(make, devices)
