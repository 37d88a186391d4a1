"""`python -m tff_retail.train`, which kills itself with -9 in the phase that `DIES_IN` names.

A phase lasts milliseconds, and nothing outside can tell when it has begun. So the process dies by
its own hand, exactly there; what it leaves behind is what a power cut would.
"""

import functools
import os
import runpy
import signal
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import tensorflow as tf

from tff_retail.program import remote_run
from tff_retail.program.evaluation import Evaluator
from tff_retail.program.run_directory import RunDirectory
from tff_retail.runtime.cohort_sums import CohortSums
from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.round_fold import RoundFold
from tff_retail.transport.store_link import StoreLink

# Of a message that makes a value: names and seeds take less, a broadcast more.
_LARGE = 10_000


def _die() -> None:
    print(f"dies in {os.environ['DIES_IN']}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str) -> None:
    """Dies when something is about to happen."""
    setattr(owner, name, lambda *arguments, **named: _die())


def _after(owner: Any, name: str) -> None:
    """Dies when something has just happened."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments: Any, **named: Any) -> None:
        original(*arguments, **named)
        _die()

    setattr(owner, name, call)


def _after_first_broadcast() -> None:
    """Dies when one store has all of the broadcast, and the others have not."""
    original = RemoteStore._create

    async def create(store: RemoteStore, session: Any, value: Sequence[bytes]) -> Any:
        created = await original(store, session, value)
        if sum(map(len, value)) > _LARGE:
            _die()
        return created

    mock.patch.object(RemoteStore, "_create", create).start()


def _before_the_second_model() -> None:
    """Dies when the best model is released, and the last one is written and has no name yet."""
    original = os.rename

    def rename(source: Any, target: Any) -> None:
        if str(target).endswith("model_last"):
            _die()
        original(source, target)

    mock.patch.object(os, "rename", rename).start()


PHASES: dict[str, Callable[[], None]] = {
    "waiting": lambda: _before(ConnectedStores, "wait"),
    "broadcast": _after_first_broadcast,
    "collecting": lambda: _after(RoundFold, "take"),
    "folding": lambda: _before(CohortSums, "join"),
    "evaluated": lambda: _after(Evaluator, "_over"),
    # The checkpoint lies there in full, under its temporary name.
    "saving": lambda: _before(tf.io.gfile, "rename"),
    "releasing": _before_the_second_model,
    "released": lambda: _before(remote_run, "sign_or_find"),
    "finished": lambda: _before(RunDirectory, "close"),
    "delivering": lambda: _before(StoreLink, "offer_model"),
}

if __name__ == "__main__":
    PHASES[os.environ["DIES_IN"]]()
    runpy.run_module("tff_retail.train", run_name="__main__", alter_sys=True)
