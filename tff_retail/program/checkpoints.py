"""A run's state on disk after every round, through TFF's program state manager.

State is saved beside the training of the next round. A version is written under another name and
renamed, so that what is found after a kill is whole; the last two are kept.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from google.protobuf import message

_KEPT = 2  # the newest, and one before it should the disk have lost the newest in a power cut
_PREFIX = "round_"
# What TensorFlow raises on a SavedModel of which files are missing, empty or cut short.
_UNREADABLE = (OSError, LookupError, ValueError, message.DecodeError, tf.errors.OpError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come, beside the state of the learning process.

    Attributes:
      round_num: the last finished round; 0 before the first.
      best_round: the round whose model evaluated best; 0 before the first evaluation.
      best_metrics: its evaluation metrics.
      evaluations_without_gain: evaluations since then.
      timed_images, timed_seconds: images trained on and seconds taken, first rounds left out.
    """

    round_num: int = 0
    best_round: int = 0
    best_metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    evaluations_without_gain: int = 0
    timed_images: int = 0
    timed_seconds: float = 0.0


class Checkpoints:
    """Saves and finds the state of a run; a context manager.

    Args:
      folder: where the versions lie.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(f"{_PREFIX}*_temp*"):
            shutil.rmtree(unfinished)
        self._folder = folder
        self._manager = tff.program.FileProgramStateManager(
            str(folder), prefix=_PREFIX, keep_total=_KEPT, keep_first=False
        )
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoints")
        self._saving: concurrent.futures.Future[None] | None = None

    def load_latest(self, like: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Progress] | None:
        """The newest version that can be read, or None where there is none.

        One that can't, as a power cut may leave it, is removed.

        Args:
          like: a state with the shapes and dtypes of the one that was saved.
        """
        return self._thread.submit(lambda: asyncio.run(self._load_latest(like))).result()

    def save(self, state: Sequence[np.ndarray], progress: Progress) -> None:
        """Begins to save, once the version before is saved.

        Raises:
          OSError: the version before could not be saved.
        """
        self.wait()
        values = _packed(state, progress)
        self._saving = self._thread.submit(
            lambda: asyncio.run(self._manager.save(values, progress.round_num))
        )

    def wait(self) -> None:
        """Waits until what was given to `save` is on disk. Raises as `save` does."""
        if self._saving is not None:
            saving, self._saving = self._saving, None
            saving.result()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)

    async def _load_latest(
        self, like: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray], Progress] | None:
        structure = _packed(like, Progress())
        for version in sorted(await self._manager.get_versions() or [], reverse=True):
            try:
                return _unpacked(await self._manager.load(version, structure), like)
            except _UNREADABLE:
                shutil.rmtree(self._folder / f"{_PREFIX}{version}")
        return None


def _packed(
    state: Sequence[np.ndarray], progress: Progress
) -> "collections.OrderedDict[str, np.ndarray]":
    """One flat array a dtype: saving 500 small arrays takes half a second, saving 3 does not."""
    by_dtype: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    for leaf in state:
        by_dtype[np.asarray(leaf).dtype.name].append(np.ravel(leaf))
    packed = {name: np.concatenate(leaves) for name, leaves in sorted(by_dtype.items())}
    text = json.dumps(dataclasses.asdict(progress)).encode()
    return collections.OrderedDict(packed, progress=np.frombuffer(text, np.uint8))


def _unpacked(
    values: "collections.OrderedDict[str, np.ndarray]", like: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], Progress]:
    offsets: dict[str, int] = collections.defaultdict(int)
    state = []
    for leaf in map(np.asarray, like):
        name, start = leaf.dtype.name, offsets[leaf.dtype.name]
        offsets[name] = start + leaf.size
        state.append(np.reshape(values[name][start : offsets[name]], leaf.shape))
    progress = json.loads(np.asarray(values["progress"]).tobytes())
    return state, Progress(**progress)
