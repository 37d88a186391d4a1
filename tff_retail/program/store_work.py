"""What binds the approved graphs of a run to the photographs of this one store.

Data, order, augmentation and graphs are those of the same store in a simulation, and so are the
bits that come out.
"""

import dataclasses
import io
import pathlib
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from datasets.example_pipeline import ExamplePipeline
from datasets.examples import Examples
from datasets.own_photographs import OwnPhotographs
from datasets.store_photographs import StorePhotographs
from tff_retail.config import ConfigurationError
from tff_retail.learning.metrics import local_metrics
from tff_retail.program.capped_examples import CappedExamples
from tff_retail.program.recogniser import FrozenBackbone, make_pipelines, photograph_pipeline
from tff_retail.program.simulated_chain import StoredFeatures, StoreExamples
from tff_retail.program.store_manifest import StoreManifest, UnusableManifest
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.graph_part import GraphPart
from tff_retail.runtime.part_session import PartSession
from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.simulated_store import LocalData, Role, SimulatedStore
from tff_retail.runtime.store import StoreFailed, WorkRequest, WorkResult

SPLITS = {"train": "train", "evaluate": "validation"}
_REPORTS: Mapping[str, Callable[[Sequence[np.ndarray]], Mapping[str, float]]] = {
    "train": lambda outputs: {},
    "evaluate": local_metrics,
}


@dataclasses.dataclass(frozen=True)
class StorePlace:
    """Where a store works; what is its own and in no manifest.

    Attributes:
      name: the store's, of its certificate.
      data_dir: folder of its photographs.
      cache_dir: of decoded ones; None for inside `data_dir`.
      device: what sessions compute on, such as `/GPU:0`; '' is a CPU.
      has_own_core: whether an operation may stay in its caller's thread.
      max_steps: of training in one round; None for no bound.
    """

    name: str
    data_dir: str
    cache_dir: str | None
    device: str
    has_own_core: bool
    max_steps: int | None = None


class StoreWork:
    """A `Store` that works here by a manifest, one piece of work at a time.

    Photographs are looked for anew at the beginning of each round.

    Args:
      manifest: of the run.
      place: of the store.
      content: gives what a digest of the manifest stands for.

    Raises:
      UnusableManifest: the manifest or what it names is of no use.
      ConfigurationError: the photographs can't be read.
    """

    def __init__(
        self, manifest: StoreManifest, place: StorePlace, content: Callable[[str], bytes]
    ) -> None:
        self.name = place.name
        self._place = place
        self._photographs_here = OwnPhotographs(
            store=place.name,
            data_dir=place.data_dir,
            cache_dir=place.cache_dir,
            labels=manifest.labels,
            image_size=manifest.image_size,
            validation_fraction=manifest.validation_fraction,
        )
        config = manifest.config()
        backbone = _backbone(manifest, content)
        shape: tuple[int, ...] = (manifest.image_size, manifest.image_size, 3)
        if backbone is not None:
            shape = _feature_shape(backbone.work)
        self._features = None if backbone is None else StoredFeatures(backbone, [place.device])
        self._pipelines = make_pipelines(config, shape)
        self.approved = [
            ApprovedWork(role, SPLITS[role], _part(content, digest))
            for role, digest in manifest.works.items()
        ]
        self._lock = threading.Lock()
        self._roles = {work.role: self._role(work) for work in self.approved}
        self._photographs: StorePhotographs | None = self._photographs_here.read()
        self._round_num: int | None = None

    def num_examples(self) -> dict[str, int]:
        """Examples by split, as they were last looked for."""
        photographs = self._photographs
        if photographs is None:
            return {}
        return {split: photographs.num_examples(split) for split in SPLITS.values()}

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`.

        Raises:
          CannotWork: it can't, in this round.
          WorkStopped: it was stopped.
        """
        try:
            photographs = self._photographs_of(request.round_num)
            if not photographs.num_examples(SPLITS[request.role]):
                raise CannotWork("no_examples", f"no photograph to {request.role} with")
            with self._lock:
                roles = dict(self._roles)
            return SimulatedStore(self.name, self._examples(photographs), roles).run(request)
        except ConfigurationError as error:
            self._photographs = None
            raise CannotWork("photographs_unreadable", str(error)) from error
        except CannotWork:
            raise
        except StoreFailed as failure:
            raise CannotWork(_code(failure.__cause__), str(failure)) from failure

    def stop(self) -> None:
        """Ends what is at work now; what comes after it begins with new sessions."""
        with self._lock:
            for work in self.approved:
                self._roles[work.role].sessions.close()
                self._roles[work.role] = self._role(work)

    def close(self) -> None:
        """Ends all sessions."""
        for role in self._roles.values():
            role.sessions.close()
        if self._features is not None:
            self._features.close()

    def _photographs_of(self, round_num: int) -> StorePhotographs:
        photographs = self._photographs
        if photographs is None or round_num not in (self._round_num, None):
            # The cache is this process's alone while it looks for new photographs.
            photographs = self._photographs = None
            photographs = self._photographs = self._photographs_here.read()
        self._round_num = round_num
        return photographs

    def _examples(self, photographs: StorePhotographs) -> LocalData:
        features = self._features

        def load(split: str) -> Examples:
            return (
                photographs.load(split) if features is None else features.load(photographs, split)
            )

        examples = StoreExamples(photographs, self._pipelines, load)
        max_steps = self._place.max_steps
        if max_steps is None:
            return examples
        return CappedExamples(examples, self._pipelines["train"].batch_size, max_steps)

    def _role(self, work: ApprovedWork) -> Role:
        pipeline, place = self._pipelines[work.role], self._place

        def make(device: str) -> PartSession:
            return PartSession(
                work.part, [pipeline], device=device, has_own_core=place.has_own_core
            )

        return Role(SessionPool(make, [place.device]), _REPORTS[work.role])


def read_content(folder: pathlib.Path) -> Callable[[str], bytes]:
    """Gives contents out of a folder of files named by their digests."""
    return lambda digest: (folder / digest).read_bytes()


def _part(content: Callable[[str], bytes], digest: str) -> GraphPart:
    part = GraphPart(content(digest))
    if part.digest != digest:
        raise UnusableManifest(f"the graph {digest[:16]} must have this digest, has another")
    return part


def _backbone(manifest: StoreManifest, content: Callable[[str], bytes]) -> FrozenBackbone | None:
    if manifest.backbone_work is None or manifest.backbone_weights is None:
        return None
    try:
        with np.load(io.BytesIO(content(manifest.backbone_weights)), allow_pickle=False) as arrays:
            weights = [arrays[name] for name in sorted(arrays.files)]
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UnusableManifest("the backbone's weights can't be read") from error
    pipeline: ExamplePipeline = photograph_pipeline(manifest.config().model)
    return FrozenBackbone(_part(content, manifest.backbone_work), weights, pipeline)


def _feature_shape(work: GraphPart) -> tuple[int, ...]:
    (features,) = work.result
    _, *sizes = features.shape
    if None in sizes:
        raise UnusableManifest(f"a backbone's features must have a fixed shape, found {sizes}")
    return tuple(size for size in sizes if size is not None)


def _code(cause: BaseException | None) -> str:
    if isinstance(cause, MemoryError | tf.errors.ResourceExhaustedError):
        return "out_of_memory"
    return "photographs_unreadable" if isinstance(cause, OSError) else "graph_failed"
