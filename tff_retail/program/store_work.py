"""What binds the approved graphs of a run to the photographs of this one store.

Data, order, augmentation and graphs are those of the same store in a simulation, and so are the
bits that come out.
"""

import dataclasses
import math
import pathlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from datasets.examples import Examples
from datasets.own_photographs import OwnPhotographs
from datasets.store_photographs import StorePhotographs
from tff_retail.config import ConfigurationError
from tff_retail.learning.metrics import local_metrics
from tff_retail.privacy.example_counts import FEWEST, LABELS
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.program.batch_trial import BatchTrial
from tff_retail.program.capped_examples import CappedExamples
from tff_retail.program.fitted_batch import FittedBatch
from tff_retail.program.manifest_backbone import read_backbone
from tff_retail.program.manifest_graph import read_graph
from tff_retail.program.process_memory import ProcessMemory
from tff_retail.program.recogniser import make_pipelines
from tff_retail.program.simulated_chain import StoredFeatures, StoreExamples
from tff_retail.program.store_manifest import StoreManifest
from tff_retail.program.time_limit import time_limit
from tff_retail.program.timed_pipeline import TimedPipeline
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.cannot_work import CannotWork
from tff_retail.runtime.part_session import PartSession, Pipeline
from tff_retail.runtime.session_pool import SessionPool
from tff_retail.runtime.simulated_store import LocalData, Role, SimulatedStore
from tff_retail.runtime.store import StoreFailed, WorkRequest, WorkResult

_TRAIN = "train"
SPLITS = {_TRAIN: "train", "evaluate": "validation"}
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
      max_seconds: likewise.
      batch_size: of training at most; `auto` for what the machine takes, None for the run's.
      measured_dir: keeps what was found out about this machine; needed for a batch size.
      was_killed: whether the process before this one was killed in mid-work.
      graph_bounds: on the graphs that it loads and runs.
    """

    name: str
    data_dir: str
    cache_dir: str | None
    device: str
    has_own_core: bool
    max_steps: int | None = None
    max_seconds: float | None = None
    batch_size: int | str | None = None
    measured_dir: str = ""
    was_killed: bool = False
    graph_bounds: GraphBounds = GraphBounds()


class StoreWork:
    """A `Store` that works here by a manifest, one piece of work at a time.

    Photographs are looked for anew at the beginning of each round.

    Args:
      manifest: of the run.
      place: of the store.
      content: gives what a digest of the manifest stands for.
      say: told where training takes fewer examples at a time.

    Raises:
      UnusableManifest: the manifest or what it names is of no use.
      ConfigurationError: the photographs can't be read.
    """

    def __init__(
        self,
        manifest: StoreManifest,
        place: StorePlace,
        content: Callable[[str], bytes],
        *,
        say: Callable[[str], None] = lambda sentence: None,
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
        config, bounds = manifest.config(), place.graph_bounds
        backbone = read_backbone(manifest, content, bounds)
        shape: tuple[int, ...] = (manifest.image_size, manifest.image_size, 3)
        if backbone is not None:
            shape = tuple(size for size in backbone.work.result[0].shape[1:] if size is not None)
        self._features = None if backbone is None else StoredFeatures(backbone, [place.device])
        self._pipelines = make_pipelines(config, shape)
        self.approved = [
            ApprovedWork(role, SPLITS[role], read_graph(content, digest, bounds=bounds))
            for role, digest in manifest.works.items()
        ]
        self._batch = FittedBatch(
            pathlib.Path(place.measured_dir) / f"{manifest.works[_TRAIN]}.json",
            most=manifest.batch_size,
            wanted=place.batch_size,
            was_killed=place.was_killed,
            say=say,
        )
        self._lock = threading.Lock()
        self._roles = {work.role: self._role(work) for work in self.approved}
        self._photographs: StorePhotographs | None = self._photographs_here.read()
        self._last: tuple[int, str] | None = None

    def num_examples(self) -> dict[str, int]:
        """Examples by split, as they were last looked for."""
        photographs = self._photographs
        if photographs is None:
            return {}
        return {split: photographs.num_examples(split) for split in SPLITS.values()}

    def counts(self) -> dict[str, int]:
        """For the daemon: `num_examples`, and by split how many labels they have.

        With `<split>_labels` goes `<split>_fewest`, examples of the rarest of these labels.
        """
        found = self.num_examples()
        photographs = self._photographs
        if photographs is not None:
            for split in SPLITS.values():
                by_label = [int(each) for each in photographs.label_counts(split) if each]
                found[f"{split}{LABELS}"] = len(by_label)
                found[f"{split}{FEWEST}"] = min(by_label, default=0)
        return found

    def run(self, request: WorkRequest) -> WorkResult:
        """See `Store.run`.

        Raises:
          CannotWork: it can't, in this round.
          WorkStopped: it was stopped.
        """
        with time_limit(self._place.graph_bounds.max_seconds, self.stop):
            return self._run(request)

    def _run(self, request: WorkRequest) -> WorkResult:
        max_seconds = self._place.max_seconds
        deadline_s = math.inf if max_seconds is None else time.time() + max_seconds
        try:
            photographs = self._photographs_of(request)
            if not photographs.num_examples(SPLITS[request.role]):
                raise CannotWork("no_examples", f"no photograph to {request.role} with")
            if request.role == _TRAIN and self._place.batch_size is not None:
                return self._train_fitted(photographs, request, deadline_s)
            return self._store(photographs, deadline_s).run(request)
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
                self._renew(work)

    def close(self) -> None:
        """Ends all sessions."""
        for role in self._roles.values():
            role.sessions.close()
        if self._features is not None:
            self._features.close()

    def _train_fitted(
        self, photographs: StorePhotographs, request: WorkRequest, deadline_s: float
    ) -> WorkResult:
        """Trains with as many examples at a time as there is memory for."""
        batch = self._batch
        try:  # what fails here fails with any number
            data = self._examples(photographs, math.inf)
            feeds = data.feeds(_TRAIN, seed=request.seed, round_num=request.round_num)
            if batch.size is None:
                self._measure(request, feeds)
        except (OSError, MemoryError, tf.errors.OpError) as error:
            raise CannotWork(_code(error), str(error)) from error
        while True:
            try:
                with batch.at_work():
                    return self._store(photographs, deadline_s).run(request)
            except StoreFailed as failure:
                if _code(failure.__cause__) != "out_of_memory" or not batch.halve():
                    raise
            self._renew_training()

    def _measure(self, request: WorkRequest, feeds: Mapping[str, np.ndarray]) -> None:
        with self._lock:
            sessions = self._roles[_TRAIN].sessions
        trial = BatchTrial(sessions, request.broadcast, feeds)
        max_step_s = self._place.max_seconds or math.inf
        self._batch.measure(trial, ProcessMemory(), max_step_s=max_step_s)
        if self._batch.size != self._batch.most:
            self._renew_training()

    def _renew_training(self) -> None:
        with self._lock:
            self._renew(next(work for work in self.approved if work.role == _TRAIN))

    def _renew(self, work: ApprovedWork) -> None:
        """Has a role begin with new sessions; under the lock."""
        self._roles[work.role].sessions.close()
        self._roles[work.role] = self._role(work)

    def _store(self, photographs: StorePhotographs, deadline_s: float) -> SimulatedStore:
        with self._lock:
            roles = dict(self._roles)
        return SimulatedStore(self.name, self._examples(photographs, deadline_s), roles)

    def _photographs_of(self, request: WorkRequest) -> StorePhotographs:
        photographs, last = self._photographs, self._last
        # Training after an evaluation begins a round, be it the same number in another run.
        is_same_round = last is not None and (
            last[0] == request.round_num and (request.role != _TRAIN or last[1] == _TRAIN)
        )
        if photographs is None or not is_same_round:
            # The cache is this process's alone while it looks for new photographs.
            photographs = self._photographs = None
            photographs = self._photographs = self._photographs_here.read()
        self._last = request.round_num, request.role
        return photographs

    def _examples(self, photographs: StorePhotographs, deadline_s: float) -> LocalData:
        features = self._features

        def load(split: str) -> Examples:
            return (
                photographs.load(split) if features is None else features.load(photographs, split)
            )

        examples = StoreExamples(photographs, self._pipelines, load)
        return CappedExamples(
            examples=examples,
            batch_size=self._batch.size or self._batch.most,
            max_steps=self._place.max_steps,
            deadline_s=deadline_s,
        )

    def _role(self, work: ApprovedWork) -> Role:
        pipeline, place = self._pipeline(work.role), self._place

        def make(device: str) -> PartSession:
            return PartSession(
                work.part, [pipeline], device=device, has_own_core=place.has_own_core
            )

        return Role(SessionPool(make, [place.device]), _REPORTS[work.role])

    def _pipeline(self, role: str) -> Pipeline:
        pipeline = self._pipelines[role]
        if role != _TRAIN:
            return pipeline
        size = self._batch.size or self._batch.most
        pipeline = dataclasses.replace(pipeline, batch_size=size)
        return pipeline if self._place.max_seconds is None else TimedPipeline(pipeline)


def read_content(folder: pathlib.Path) -> Callable[[str], bytes]:
    """Gives contents out of a folder of files named by their digests."""
    return lambda digest: (folder / digest).read_bytes()


def _code(cause: BaseException | None) -> str:
    if isinstance(cause, MemoryError | tf.errors.ResourceExhaustedError):
        return "out_of_memory"
    return "photographs_unreadable" if isinstance(cause, OSError) else "graph_failed"
