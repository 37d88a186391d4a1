"""A chain's stores, simulated in this process: real data, real graphs, no network."""

import hashlib
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
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
    """

    def __init__(self, recogniser: Recogniser, devices: Sequence[str]) -> None:
        self._recogniser = recogniser
        self._features = None
        if recogniser.backbone is not None:
            self._features = StoredFeatures(recogniser.backbone, devices)
        reports = {"train": lambda outputs: {}, "evaluate": local_metrics}
        self._roles = {
            role: Role(_pool(recogniser, role, devices), report) for role, report in reports.items()
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
            lambda number: PartSession(
                backbone.work, [backbone.pipeline], device=devices[number % len(devices)]
            )
        )

    def load(self, photographs: StorePhotographs, split: str) -> Examples:
        """The features of a split, float32 [n, D], mapped from the store's cache."""
        keys = "".join(photographs.keys(split))
        digest = hashlib.sha256(f"{self._digest}{photographs.image_size}{keys}".encode())
        path = photographs.cache_dir / f"features-{split}-{digest.hexdigest()[:32]}.npy"
        examples = photographs.load(split)
        if not path.exists():
            _write_private(path, self._compute(examples, photographs.name))
        features = np.load(path, mmap_mode="r", allow_pickle=False)
        return Examples(features, examples.labels, examples.keys)

    def close(self) -> None:
        """Ends the sessions."""
        self._sessions.close()

    def _compute(self, examples: Examples, store: str) -> np.ndarray:
        feeds = self._backbone.pipeline.feeds(examples, seed=0, round_num=0, store=store)
        with self._sessions.session() as session:
            (features,) = session(self._backbone.weights, [feeds])
        return features


def _write_private(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes for the owner's eyes alone, whole or not at all, whoever else writes it too."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _pool(recogniser: Recogniser, role: str, devices: Sequence[str]) -> SessionPool:
    work = recogniser.forms[role]["work"]
    pipeline = recogniser.pipelines[role]
    return SessionPool(
        lambda number: PartSession(work, [pipeline], device=devices[number % len(devices)])
    )
